# SPDX-License-Identifier: Apache-2.0
"""Scores of imagined effects: the same for the pack and for every peer, on the same measured effects.

An effect counts as clear as in `jepa.evaluation.effect_scoring`: beyond five deviations of chance and 0.02
of the unit scale. For CRPS and coverage each imagined effect becomes a normal distribution, fitted for
everybody in the same way on the sessions left out of judging: its mean is so much of what is imagined
(``size``, by family and window), its deviation what is left over where next to nothing is imagined, and a
share of the effect beside it, widened until 90 % of those sessions' effects lie within 90 %.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from jepa.evaluation.courses import HORIZONS
from jepa.evaluation.effect_errors import Trial
from jepa.packs.effects import NORMAL_90
from jepa.telemetry.roles import PLAYED
from jepa.telemetry.schema import Schema

PLANNED: Final = (
    *(
        f"system.role.{role}.{what}"
        for role in PLAYED
        for what in ("cpu", "pressure.cpu", "run_queue.latency.p99")
    ),
    "system.cpu.utilization",
    "system.pressure.cpu.some",
)
"""The channels by which plans are made, and those beside them; chosen before anything was judged."""
_CLEAR, _LEAST = 5.0, 0.02
_IMAGINED: Final = 0.03
"""Imagined effects below this say next to nothing."""
_DRAWS: Final = 2000

Numbers = npt.NDArray[np.float64]
Marks = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Cells:
    """N measured effects: of one change on one channel over one window each."""

    session: npt.NDArray[np.intp]
    family: npt.NDArray[np.str_]
    """The action, such as cpu.weight."""
    horizon: npt.NDArray[np.intp]
    measured: Numbers
    clear: Marks
    imagined: Numbers

    def only(self, of: Marks) -> "Cells":
        """Those at which ``of`` holds."""
        return Cells(*(getattr(self, name)[of] for name in Cells.__slots__))


def cells(trials: Sequence[Trial], schema: Schema, *, pooled: bool) -> Cells:
    """The measured effects of ``trials`` on PLANNED; chance is ``pooled`` where each says little of it."""
    at = [schema.index(name) for name in PLANNED]
    measured, imagined, noise = (
        np.stack([getattr(trial, name)[at] for trial in trials]).astype(np.float64)
        for name in ("measured", "imagined", "noise")
    )  # (N, C, H)
    # What a trial's noise is of: two runs of the same, by so much further apart.
    chance = np.sqrt(np.nanmean(noise**2, axis=0, keepdims=True) / 0.75) if pooled else noise * np.sqrt(2)
    with np.errstate(invalid="ignore"):
        clear = np.abs(measured) > np.maximum(_CLEAR * np.maximum(chance, _LEAST / 2), _LEAST)
    known = np.isfinite(measured)

    def spread(values: Sequence[object]) -> npt.NDArray[np.generic]:
        return np.broadcast_to(np.array(values)[:, None, None], measured.shape)[known]

    horizon = np.broadcast_to(np.arange(len(HORIZONS)), measured.shape)[known]
    return Cells(
        np.asarray(spread([trial.session for trial in trials]), np.intp),
        np.asarray(spread([trial.setting.rpartition(".")[0] or trial.setting for trial in trials])),
        horizon,
        measured[known],
        clear[known],
        imagined[known],
    )


def sign_right(of: Cells) -> float:
    """Of the clear effects, the share whose sign is imagined; nan of none."""
    some = of.only(of.clear)
    return float((np.sign(some.imagined) == np.sign(some.measured)).mean()) if len(some.measured) else np.nan


def size(of: Cells) -> float:
    """How much of the clear effects is imagined: the slope of imagined on measured ones, through 0."""
    some = of.only(of.clear)
    square = float(some.measured @ some.measured)
    return float(some.imagined @ some.measured) / square if square else np.nan


def error(of: Cells) -> float:
    """The mean absolute error on clear effects, as it is imagined, over that of no effect."""
    some = of.only(of.clear)
    whole = float(np.abs(some.measured).sum())
    return float(np.abs(some.measured - some.imagined).sum()) / whole if whole else np.nan


@dataclass(frozen=True, slots=True)
class Calibrated:
    """The normal distribution of each effect, fitted on the other sessions."""

    mean: Numbers
    deviation: Numbers

    def crps(self, of: Cells) -> Numbers:
        """The continuous ranked probability score of each (Gneiting and Raftery 2007); low is better."""
        z = (of.measured - self.mean) / self.deviation
        density = np.exp(-z * z / 2) / np.sqrt(2 * np.pi)
        return np.asarray(self.deviation * (z * (2 * ndtr(z) - 1) + 2 * density - 1 / np.sqrt(np.pi)))

    def held(self, of: Cells) -> Marks:
        """Whether each lies within its 90 % interval."""
        return np.asarray(np.abs(of.measured - self.mean) <= NORMAL_90 * self.deviation)


def calibrated(of: Cells) -> Calibrated:
    """See the module: every session judged by the others."""
    mean, deviation = np.zeros_like(of.measured), np.ones_like(of.measured)
    for session in np.unique(of.session):
        for family in np.unique(of.family):
            own = (of.session == session) & (of.family == family)
            # A family that no other session has is judged by all families of the others.
            others = of.session != session
            alike = others & (of.family == family)
            source = alike if alike.sum() >= 30 else others
            for horizon in np.unique(of.horizon[own]):
                use = source & (of.horizon == horizon)
                use = use if use.sum() >= 30 else source
                place = own & (of.horizon == horizon)
                mean[place], deviation[place] = _fitted(
                    of.imagined[use], of.measured[use], of.imagined[place]
                )
    return Calibrated(mean, deviation)


def _fitted(x: Numbers, y: Numbers, asked: Numbers) -> tuple[Numbers, Numbers]:
    square = float(x @ x)
    slope = float(x @ y) / square if square else 0.0
    left, large = y - slope * x, np.abs(x) >= _IMAGINED
    floor = float(np.mean(left[~large] ** 2)) if (~large).any() else 0.0
    beside = float(x[large] @ x[large])
    share = max(0.0, float((left[large] ** 2 - floor).sum())) / beside if beside else 0.0

    def deviation(of: Numbers) -> Numbers:
        far = np.where(np.abs(of) >= _IMAGINED, of**2, 0)
        return np.asarray(np.sqrt(np.maximum(floor + share * far, 1e-8)))

    widened = max(1.0, float(np.quantile(np.abs(left) / deviation(x), 0.9)) / NORMAL_90)
    return slope * asked, widened * deviation(asked)


def ratio_interval(ours: Numbers, theirs: Numbers, session: npt.NDArray[np.intp]) -> tuple[float, float]:
    """90 % of the ratio of two sums, sessions being drawn anew."""
    names = np.unique(session)
    sums = np.array([[ours[session == name].sum(), theirs[session == name].sum()] for name in names])
    drawn = sums[np.random.default_rng(0).integers(len(sums), size=(_DRAWS, len(sums)))].sum(axis=1)
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], (0.05, 0.95))
    return float(low), float(high)
