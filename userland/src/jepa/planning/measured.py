# SPDX-License-Identifier: Apache-2.0
"""What a goal's energy was in fact: of frames that were observed, by the terms that plans are judged by."""

import warnings
from collections.abc import Sequence

import numpy as np

from jepa.planning.energy import Energy
from jepa.planning.goals import on_unit_scale
from jepa.telemetry.frame import Frame
from jepa.telemetry.schema import Schema
from jepa.world.scale import Scale


def observed_energy(goal: Energy, schema: Schema, frames: Sequence[Frame]) -> float | None:
    """The energy of the mean of each channel over ``frames``; None where a channel of ``goal`` was not
    observed, or ``goal`` speaks of none."""
    if not goal.terms or not frames:
        return None
    values = np.stack([np.where(frame.valid, frame.values, np.nan) for frame in frames])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the mean of a channel that is never valid
        means = np.nanmean(values, axis=0)
    scale = Scale(schema)

    def to_unit(channel: str, value: float) -> float:
        row = np.zeros(len(schema.channels), np.float32)
        row[schema.index(channel)] = value
        return float(scale.to_unit(row)[schema.index(channel)])

    unit = scale.to_unit(means)
    total = 0.0
    for term in on_unit_scale(goal, to_unit).terms:
        value = unit[schema.index(term.channel)]
        if not np.isfinite(value):
            return None
        total += float(term.energy(np.array([value], np.float32))[0])
    return total
