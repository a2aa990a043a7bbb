# SPDX-License-Identifier: Apache-2.0
"""What a task brings: the energy of windows with its changes beside that of hold-out windows without."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

LEAST_WINDOWS: Final = 6
"""Of each kind, before anything is concluded."""
_NORMAL_90: Final = 1.645


@dataclass(frozen=True, slots=True)
class Benefit:
    """Energies are means over windows; None where there was none."""

    taken: float | None
    without: float | None
    windows: int
    """Hold-out windows."""
    interval: tuple[float, float] | None
    """The 90 % interval of what is saved by the changes; None before there were enough windows."""

    @property
    def none(self) -> bool:
        """Whether it is sure, as far as an interval says so, that nothing is saved."""
        return self.interval is not None and self.interval[1] <= 0


def benefit(taken: Sequence[float], without: Sequence[float]) -> Benefit:
    """Of the energy of each window with the changes in force, and of each without."""
    means = _mean(taken), _mean(without)
    interval = None
    if min(len(taken), len(without)) >= LEAST_WINDOWS and means[0] is not None and means[1] is not None:
        errors = _variance(taken) / len(taken), _variance(without) / len(without)
        half = _student_90(errors, (len(taken), len(without))) * math.sqrt(sum(errors))
        saved = means[1] - means[0]
        interval = saved - half, saved + half
    return Benefit(*means, len(without), interval)


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def _variance(values: Sequence[float]) -> float:
    mean = math.fsum(values) / len(values)
    return math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)


def _student_90(errors: tuple[float, float], counts: tuple[int, int]) -> float:
    """The 95 % quantile of Student's t with Welch's degrees of freedom; to 1 % from 5 of them on.

    The expansion in 1/df of Abramowitz and Stegun, 26.7.5.
    """
    total = sum(errors)
    if not total:
        return _NORMAL_90
    df = total**2 / sum(error**2 / (count - 1) for error, count in zip(errors, counts, strict=True))
    z = _NORMAL_90
    return z + (z**3 + z) / (4 * df) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * df**2)
