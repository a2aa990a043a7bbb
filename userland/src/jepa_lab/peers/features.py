# SPDX-License-Identifier: Apache-2.0
"""What peers see of a recording: the same past the world model has, as plain numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jepa.evaluation.baselines import seasonal
from jepa.telemetry.frame import BoolArray
from jepa.telemetry.recording import Recording
from jepa.world.controls import in_force
from jepa.world.forecast import FloatArray
from jepa.world.scale import Scale
from jepa.world.windows import all_window_stats, coming, filled

LAGS = (*range(10), 12, 15, 20, 25, 30, 40, 50, 60, 80, 100, 120)
"""Frames back at which a channel's own value is seen."""
_ALL_S = 5
"""Length of the window over which every channel is seen by every other."""


@dataclass(frozen=True, slots=True)
class FeatureTable:
    """One recording as features and targets, all on the unit scale."""

    own: FloatArray  # (T, C, F) what a channel shows of itself
    everyone: FloatArray  # (T, C) the mean of each channel's last seconds
    control: FloatArray  # (T, A) what actions have set
    schedule: FloatArray  # (T, H + 1) programs at work now and in each window to come: nobody can know that
    past: FloatArray  # (T, C, H, 2) window persistence
    target: FloatArray  # (T, C, H, 2) what came, NaN where that was not seen


def table(recording: Recording, horizons: Sequence[int]) -> FeatureTable:
    """Features of each frame from the frames up to it, and what came after."""
    scale = Scale(recording.schema)
    stats = all_window_stats(recording.values, tuple(horizons))
    past = _unit(np.stack([filled(stats.mean), filled(stats.p90)], axis=-1), scale)
    season = _unit(seasonal(recording.values, horizons), scale)
    frame = np.nan_to_num(scale.to_unit(recording.values), nan=0.0)
    lagged = np.stack([_back(frame, lag) for lag in LAGS], axis=-1)
    own = np.concatenate(
        [past.reshape(*past.shape[:2], -1), season.reshape(*season.shape[:2], -1), lagged], -1
    )
    truth, seen = coming(recording.values, horizons)
    truth[~seen] = np.nan
    nearest = min(range(len(horizons)), key=lambda column: abs(horizons[column] - _ALL_S))
    control = in_force(recording)
    return FeatureTable(
        np.nan_to_num(own),
        past[:, :, nearest, 0],
        control,
        scheduled(recording, horizons),
        past,
        _unit(truth, scale, keep_nan=True),
    )


def scheduled(recording: Recording, horizons: Sequence[int]) -> FloatArray:
    """(T, H + 1) programs of the lab at work at each frame, and on average in each window after it.

    How many, not which: those of held-out sessions are not known.
    """
    now = (recording.ts_ns - recording.ts_ns[:1]) / 1e9
    found = np.zeros((len(now), len(horizons) + 1), np.float32)
    for each in recording.meta.labels.get("schedule", ()):
        if each["program"] == "idle":
            continue
        start, end = float(each["start_s"]), float(each["start_s"]) + float(each["seconds"])
        found[:, 0] += (now >= start) & (now < end)
        for column, horizon in enumerate(horizons, 1):
            shared = np.minimum(end, now + horizon) - np.maximum(start, now)
            found[:, column] += np.clip(shared, 0, None) / horizon
    return found


def moving(tables: Sequence[FeatureTable]) -> BoolArray:
    """(C,) the channels that ever change."""
    spread = np.stack(
        [np.nan_to_num(np.nanmax(each.past, (0, 2, 3)) - np.nanmin(each.past, (0, 2, 3))) for each in tables]
    )
    return np.asarray(spread.max(axis=0) > 0)


def _unit(values: FloatArray, scale: Scale, keep_nan: bool = False) -> FloatArray:
    """(T, C, H, 2) in units to the unit scale."""
    scaled = np.moveaxis(scale.to_unit(np.moveaxis(values, 1, -1)), -1, 1)
    return scaled if keep_nan else np.nan_to_num(scaled)


def from_unit(scaled: FloatArray, scale: Scale) -> FloatArray:
    """(T, C, H, 2) on the unit scale to units."""
    return np.moveaxis(scale.from_unit(np.moveaxis(np.clip(scaled, 0, 1), 1, -1)), -1, 1)


def carried(frame: FloatArray) -> FloatArray:
    """(T, C) with what is absent replaced by what was last there, or 0."""
    last = np.where(np.isnan(frame), -1, np.arange(len(frame))[:, None])
    rows = np.maximum.accumulate(last, axis=0)
    kept = np.take_along_axis(np.nan_to_num(frame), np.maximum(rows, 0), axis=0)
    return np.where(rows < 0, 0, kept).astype(np.float32)


def _back(frame: FloatArray, lag: int) -> FloatArray:
    """Each frame's value ``lag`` frames before; the first one's where there is none."""
    return np.concatenate(
        [np.repeat(frame[:1], min(lag, len(frame)), axis=0), frame[: max(0, len(frame) - lag)]]
    )
