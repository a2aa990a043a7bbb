# SPDX-License-Identifier: Apache-2.0
"""Gradient-boosted trees (LightGBM): one model a horizon and target, over all channels together."""

from collections.abc import Sequence

import lightgbm
import numpy as np

from jepa.telemetry.recording import Recording
from jepa.world.forecast import FloatArray
from jepa.world.scale import Scale
from jepa_lab.peers.features import FeatureTable, from_unit, moving, table

_SETTINGS = {
    "objective": "l1",
    "learning_rate": 0.05,
    "num_leaves": 31,
    "min_data_in_leaf": 100,
    "feature_fraction": 0.7,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "num_threads": 1,
    "deterministic": True,
    "seed": 1,
    "verbose": -1,
}
_ROUNDS, _PATIENCE = 400, 30
_EVERY = 4
"""Of neighbouring frames, whose windows are nearly the same, one in so many is learned from."""
_ALL_KEPT = 8
"""Principal components of the whole frame that each channel sees."""


class Trees:
    """Forecasts the change from window persistence; stopped early on validation sessions.

    With ``schedule``, when programs begin and end is known too: no forecast, but the worth of knowing it.
    """

    def __init__(
        self, train: Sequence[FeatureTable], validation: Sequence[FeatureTable], *, schedule: bool = False
    ) -> None:
        self._with_schedule = schedule
        everyone = np.concatenate([each.everyone for each in train])
        self._middle = everyone.mean(axis=0)
        self._axes = np.linalg.svd(everyone - self._middle, full_matrices=False)[2][:_ALL_KEPT]
        used = np.flatnonzero(moving(train))
        x, y = self._rows(train, used)
        held_x, held_y = self._rows(validation, used)
        self._models = []
        for column in range(y.shape[1]):
            wanted, held_wanted = np.ascontiguousarray(y[:, column]), np.ascontiguousarray(held_y[:, column])
            data = lightgbm.Dataset(x, wanted, categorical_feature=[0], free_raw_data=False)
            held = lightgbm.Dataset(held_x, held_wanted, reference=data)
            stop = lightgbm.early_stopping(_PATIENCE, verbose=False)
            model = lightgbm.train(_SETTINGS, data, _ROUNDS, valid_sets=[held], callbacks=[stop])
            self._models.append(model)

    def points(self, recording: Recording, horizons: Sequence[int]) -> FloatArray:
        """(T, C, H, 2) in units."""
        seen = table(recording, horizons)
        channels = np.arange(seen.past.shape[1])
        x = self._inputs(seen, channels, slice(None)).reshape(len(channels) * len(seen.past), -1)
        change = np.stack([model.predict(x) for model in self._models], axis=-1)
        change = change.reshape(len(seen.past), len(channels), *seen.past.shape[2:])
        return from_unit(seen.past + change.astype(np.float32), Scale(recording.schema))

    def _inputs(self, seen: FeatureTable, channels: np.ndarray, frames: slice) -> FloatArray:
        """(T, C', F): which channel, what it shows, the state of the machine, and what actions have set."""
        own = seen.own[frames][:, channels]
        name = np.broadcast_to(channels[None, :, None], (*own.shape[:2], 1))
        state = (seen.everyone[frames] - self._middle) @ self._axes.T
        schedule = [seen.schedule[frames]] if self._with_schedule else []
        state = np.concatenate([state, seen.control[frames], *schedule], axis=-1)
        state = np.broadcast_to(state[:, None], (*own.shape[:2], state.shape[-1]))
        return np.concatenate([name, own, state], axis=-1).astype(np.float32)

    def _rows(self, tables: Sequence[FeatureTable], channels: np.ndarray) -> tuple[FloatArray, FloatArray]:
        xs, ys = [], []
        for each in tables:
            x = self._inputs(each, channels, slice(None, None, _EVERY))
            y = (each.target - each.past)[::_EVERY][:, channels].reshape(*x.shape[:2], -1)
            whole = np.isfinite(y).all(axis=-1)
            xs.append(x[whole])
            ys.append(y[whole])
        return np.concatenate(xs), np.concatenate(ys)
