# SPDX-License-Identifier: Apache-2.0
"""What an action did: the branch with it beside those without, and how far those differ by chance."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jepa.telemetry.frame import FloatArray
from jepa_lab.branches.schedule import NOTHING
from jepa_lab.branches.store import RecordedMoment


@dataclass(frozen=True, slots=True)
class Effects:
    """Of one course of one moment, on each channel over the first frames after it: all (F, H)."""

    course: str
    without: FloatArray
    """The mean of the branches without an action."""
    changed: FloatArray
    """By how much the branch with it differs from that."""
    chance: FloatArray
    """How far the branches without an action are apart."""


def window_means(values: FloatArray, horizons_s: Sequence[int]) -> FloatArray:
    """The mean of each channel of ``values`` (T, F) over its first frames: (F, H), NaN where unseen."""
    result = np.full((values.shape[1], len(horizons_s)), np.nan, np.float32)
    for column, horizon in enumerate(horizons_s):
        part = values[:horizon]
        seen = ~np.isnan(part)
        count = seen.sum(0)
        total = np.where(seen, part, 0.0).sum(0)
        result[:, column] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return result


def effects(moment: RecordedMoment, horizons_s: Sequence[int]) -> list[Effects]:
    """The effects of every course of ``moment`` whose actions were all taken."""
    means = {each.name: window_means(each.frames.values, horizons_s) for each in moment.branches}
    one, other = (means[name] for name in NOTHING)
    without, chance = (one + other) / np.float32(2), np.abs(one - other)
    return [
        Effects(each.name, without, means[each.name] - without, chance)
        for each in moment.branches
        if each.name not in NOTHING and taken(each.reports, len(each.steps))
    ]


def taken(reports: Sequence[object], steps: int) -> bool:
    """Whether each of so many steps was reported as in force."""
    states = [report["state"] for report in reports if isinstance(report, dict)]
    return len(states) == steps and all(state in ("applied", "committed") for state in states)
