# SPDX-License-Identifier: Apache-2.0
"""Ridge regression with autoregressive features: one linear model a channel, horizon and target."""

from collections.abc import Sequence

import numpy as np

from jepa.telemetry.recording import Recording
from jepa.world.forecast import FloatArray
from jepa.world.scale import Scale
from jepa_lab.peers.features import FeatureTable, from_unit, table

_STRENGTHS = (0.1, 1.0, 10.0, 100.0, 1000.0)


class Ridge:
    """Forecasts the change from window persistence: from a channel's own past and all others' present."""

    def __init__(self, train: Sequence[FeatureTable], validation: Sequence[FeatureTable]) -> None:
        channels = train[0].past.shape[1]
        self._weights: list[FloatArray] = []
        for channel in range(channels):
            x, y = _rows(train, channel)
            held_x, held_y = _rows(validation, channel)
            fits = [_solve(x, y, strength) for strength in _STRENGTHS]
            # The strength is chosen on sessions that were not fitted, as the world model's training is.
            errors = [np.nanmean(np.abs(held_x @ fit - held_y)) if len(held_y) else 0.0 for fit in fits]
            self._weights.append(fits[int(np.argmin(np.nan_to_num(errors, nan=np.inf)))])

    def points(self, recording: Recording, horizons: Sequence[int]) -> FloatArray:
        """(T, C, H, 2) in units."""
        seen = table(recording, horizons)
        result = seen.past.copy()
        for channel, weights in enumerate(self._weights):
            change = _inputs(seen, channel) @ weights
            result[:, channel] += change.reshape(len(change), *result.shape[2:])
        return from_unit(result, Scale(recording.schema))


def _inputs(seen: FeatureTable, channel: int) -> FloatArray:
    ones = np.ones((len(seen.past), 1), np.float32)
    return np.concatenate([ones, seen.own[:, channel], seen.everyone, seen.control], axis=1)


def _rows(tables: Sequence[FeatureTable], channel: int) -> tuple[FloatArray, FloatArray]:
    """(N, F) and (N, H * 2) of the frames whose windows all came."""
    x = np.concatenate([_inputs(each, channel) for each in tables])
    y = np.concatenate(
        [(each.target - each.past)[:, channel].reshape(len(each.past), -1) for each in tables]
    )
    whole = np.isfinite(y).all(axis=1)
    return x[whole], y[whole]


def _solve(x: FloatArray, y: FloatArray, strength: float) -> FloatArray:
    gram = x.T.astype(np.float64) @ x + strength * np.eye(x.shape[1])
    return np.asarray(np.linalg.solve(gram, x.T.astype(np.float64) @ y), np.float32)
