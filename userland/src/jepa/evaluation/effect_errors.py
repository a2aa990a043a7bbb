# SPDX-License-Identifier: Apache-2.0
"""How far the real effects of settings lie from the imagined ones: what a plan's intervals rest on.

The real effect is taken as a multiple of the imagined one, ``size`` on average and with a standard deviation
``spread`` from one moment to another. Both are fitted, per setting and channel, on trials that the pack was
never trained on. The spread is that of sessions left out of the fit (jackknife): each has other programs.
What two runs of the same differ by is taken off, since no action did it.

A spread of so few sessions says too little of programs that nobody tried. So it is widened until the effects
of sessions left out of the fit lie within it (conformal calibration), for each setting and direction.

A goal of many channels asks as well how far they are wrong at once, which the same sessions show.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from jepa.evaluation.courses import HORIZONS, CourseImaginer
from jepa.evaluation.effect_scoring import (
    Experiment,
    changes_of,
    imagined_effects,
    measure_effects,
)
from jepa.packs.effects import NORMAL_80, NORMAL_90, ChannelEffect, Channels, KnownEffects, SettingEffects
from jepa.packs.pack import Pack
from jepa.telemetry.recording import Recording
from jepa.world.controls import in_force
from jepa.world.forecast import FloatArray

LEAST_CHANGES: Final = 8
LEAST_SESSIONS: Final = 4
"""Changes of a setting, and their sessions, below which nothing is known of its effect on a channel."""
LEAST_SPREAD: Final = 0.3
"""Of the size: no handful of sessions can show that an effect is surer than that."""
LEAST_JUDGED: Final = 30
"""Effects of sessions left out below which a spread is widened by what those of all settings say."""
_FAR = 3.0
_LEAST_IMAGINED = 0.03
"""Imagined effects below this on the unit scale say nothing of a multiple of them."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One change of one setting, (C, H) each on the unit scale."""

    session: int
    setting: str
    up: bool
    """Whether the setting became stronger."""
    imagined: FloatArray
    measured: FloatArray
    """NaN where it is not known."""
    noise: FloatArray
    """Standard deviation of the measurement: how far two runs of the same are apart."""


def known_effects(
    experiments: Sequence[Experiment],
    tried: Sequence[Recording],
    pack: Pack,
    branches: Sequence[Trial] = (),
) -> KnownEffects:
    """What ``experiments`` show of the effects of settings, each within what was ``tried`` in recordings.

    ``branches`` are trials made otherwise, whose sessions are numbered from ``len(experiments)`` on.
    """
    trials = [trial for number, each in enumerate(experiments) for trial in trials_of(number, each, pack)]
    trials += branches
    ranges = tried_ranges([*tried, *(each.acted for each in experiments)], pack.manifest.shape.controls)
    return fitted(trials, ranges, pack)


def fitted(trials: Sequence[Trial], ranges: Mapping[str, tuple[float, float]], pack: Pack) -> KnownEffects:
    """What ``trials`` show of the effects of settings, each tried within its ``ranges``."""
    groups, left_out = _by_setting(trials), _left_out(trials)
    settings = {}
    for name in dict.fromkeys(name for name, _ in groups):
        up, down = (
            _known(groups.get((name, way), []), pack, _widened(left_out, (name, way)))
            for way in (True, False)
        )
        if up or down:
            low, high = (round(end, 3) for end in ranges[name])
            settings[name] = SettingEffects(low=low, high=high, up=up, down=down)
    z = _as_shown(left_out)
    return KnownEffects(
        lower_90=round(float((z >= -NORMAL_80).mean()), 4) if len(z) else None,
        coverage_90=round(float((np.abs(z) <= NORMAL_90).mean()), 4) if len(z) else None,
        windows=len(z),
        together=round(_together(left_out), 3),
        settings=settings,
    )


def _known(trials: Sequence[Trial], pack: Pack, widened: float) -> Channels:
    """What ``trials`` of one setting in one direction show, its spread ``widened`` so many times."""
    known: Channels = {}
    for at, channel in enumerate(pack.schema.names):
        fits = {horizon: _fit(trials, at, column) for column, horizon in enumerate(HORIZONS)}
        found = {
            horizon: ChannelEffect(
                size=round(fit.size, 3), spread=round(widened * fit.spread, 3), changes=fit.changes
            )
            for horizon, fit in fits.items()
            if fit is not None
        }
        if found:
            known[channel] = found
    return known


def trials_of(
    session: int, each: Experiment, pack: Pack, imaginer: CourseImaginer | None = None
) -> list[Trial]:
    """The changes of ``each`` in which one setting alone was changed, by the pack or ``imaginer``."""
    changes = changes_of(each.acted)
    measured = measure_effects(each, changes)
    imagined, _ = imagined_effects(each.acted, changes, pack, imaginer)
    # The mean of two runs less the mean of two others varies as much as one run, half of what two differ by.
    noise = np.asarray(measured.chance / np.sqrt(2), np.float32)
    trials = []
    for number, change in enumerate(changes):
        (moved,) = np.nonzero(change.after != change.before)
        if len(moved) == 1:
            name = pack.manifest.shape.controls[moved[0]]
            up = bool(change.after[moved[0]] > change.before[moved[0]])
            trials.append(Trial(session, name, up, imagined[number], measured.effect[number], noise))
    return trials


def tried_ranges(recordings: Sequence[Recording], names: Sequence[str]) -> Mapping[str, tuple[float, float]]:
    """The least and the greatest strength at which each setting was ever set."""
    low, high = np.full(len(names), np.inf), np.full(len(names), -np.inf)
    for recording in recordings:
        force = in_force(recording)
        used = np.where(force == 0, np.nan, force)
        if np.isfinite(used).any():
            low, high = np.fmin(low, np.fmin.reduce(used)), np.fmax(high, np.fmax.reduce(used))
    return {name: (float(a), float(b)) for name, a, b in zip(names, low, high, strict=True)}


@dataclass(frozen=True, slots=True)
class _Fit:
    size: float
    spread: float
    changes: int


def _by_setting(trials: Sequence[Trial]) -> dict[tuple[str, bool], list[Trial]]:
    """By setting, and by whether it became stronger."""
    found: dict[tuple[str, bool], list[Trial]] = {}
    for trial in trials:
        found.setdefault((trial.setting, trial.up), []).append(trial)
    return found


def _fit(trials: Sequence[Trial], channel: int, horizon: int) -> _Fit | None:
    """Of ``trials`` of one setting in one direction, by the places of a channel and of a window's length.

    None where there are too few, or hardly anything is imagined.
    """
    if len(trials) < LEAST_CHANGES:
        return None
    imagined, measured, noise = (
        np.array([getattr(trial, name)[channel, horizon] for trial in trials], np.float64)
        for name in ("imagined", "measured", "noise")
    )
    known = np.isfinite(measured) & np.isfinite(noise)
    sessions = np.array([trial.session for trial in trials])[known]
    x, y, chance = imagined[known], measured[known], noise[known]
    many = int(known.sum())
    present = np.unique(sessions)
    if many < LEAST_CHANGES or len(present) < LEAST_SESSIONS or not (np.abs(x) >= _LEAST_IMAGINED).any():
        return None
    size, square, left = _slope(x, y), float(x @ x), 0.0
    for session in present:
        own = sessions == session
        left += float(((y[own] - _slope(x[~own], y[~own]) * x[own]) ** 2 - chance[own] ** 2).sum())
    spread = float(np.sqrt(max(0.0, left) / square))
    return _Fit(size, max(LEAST_SPREAD * abs(size), spread), many)


def _slope(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> float:
    square = float(x @ x)
    return float(x @ y) / square if square > 0 else 0.0


Group = tuple[str, bool]
"""A setting, and whether it became stronger."""


@dataclass(frozen=True, slots=True)
class _Beyond:
    """One effect of a session that is left out, beside what the others let expect."""

    group: Group
    session: int
    window: tuple[int, int]
    """Which of the group's changes, and which horizon: of one, all channels are seen at once."""
    beyond: float
    """How far it lies from that, beside ``spread`` and ``noise``: positive where it is larger."""
    spread: float
    noise: float

    def deviations(self, widened: float) -> float:
        """So many standard deviations, of a spread that is ``widened``."""
        return self.beyond / max(float(np.hypot(widened * self.spread, self.noise)), 1e-9)

    @property
    def needed(self) -> float:
        """How many times wider the spread has to be for the 90 % interval to hold this one."""
        least = max(0.0, (self.beyond / NORMAL_90) ** 2 - self.noise**2)
        return math.sqrt(least) / max(self.spread, 1e-9)


def _left_out(trials: Sequence[Trial]) -> list[_Beyond]:
    """Every measured effect beside a fit of the other sessions."""
    found: list[_Beyond] = []
    for group, of in _by_setting(trials).items():
        for session in dict.fromkeys(trial.session for trial in of):
            others = [trial for trial in of if trial.session != session]
            for channel, horizon in np.ndindex(of[0].imagined.shape):
                fit = _fit(others, channel, horizon)
                if fit is None:
                    continue
                for number, trial in enumerate(of):
                    if trial.session == session:
                        found += _beyond(group, number, trial, channel, horizon, fit)
    return found


def _beyond(group: Group, number: int, trial: Trial, channel: int, horizon: int, fit: _Fit) -> list[_Beyond]:
    """One, or none where the effect is not known or next to nothing is imagined."""
    x, y, noise = (
        float(getattr(trial, name)[channel, horizon]) for name in ("imagined", "measured", "noise")
    )
    if not (np.isfinite(y) and np.isfinite(noise) and abs(x) >= _LEAST_IMAGINED):
        return []
    away = (y - fit.size * x) * float(np.sign(x))
    return [_Beyond(group, trial.session, (number, horizon), away, abs(fit.spread * x), noise)]


def _widened(left_out: Sequence[_Beyond], group: Group) -> float:
    """How many times wider the spread of ``group`` has to be for its 90 % intervals to hold as many effects.

    At least once: no calibration makes a handful of sessions surer.
    """
    own = [each for each in left_out if each.group == group]
    of = own if len(own) >= LEAST_JUDGED else left_out
    if not of:
        return 1.0
    needed = sorted(each.needed for each in of)
    return max(1.0, needed[min(len(of), math.ceil((len(of) + 1) * 0.9)) - 1])


def _together(left_out: Sequence[_Beyond]) -> float:
    """The correlation of two channels of one change and window: 0 to 1, which it is where none is seen.

    Few are so far away that they would decide it alone: all count as no more than ``_FAR`` deviations.
    """
    windows: dict[tuple[Group, tuple[int, int]], list[float]] = {}
    for each in left_out:
        away = float(np.clip(each.deviations(1.0), -_FAR, _FAR))
        windows.setdefault((each.group, each.window), []).append(away)
    several = [np.array(window) for window in windows.values() if len(window) > 1]
    pairs = sum(len(window) * (len(window) - 1) for window in several)
    square = float(np.mean([float(each) ** 2 for window in several for each in window])) if several else 0.0
    if not square:
        return 1.0
    product = sum(float(window.sum() ** 2 - (window**2).sum()) for window in several) / pairs
    return min(1.0, max(0.0, product / square))


@dataclass(frozen=True, slots=True)
class Foretold:
    """One change as the trials of other sessions let expect it, (C,) each on the unit scale.

    NaN where nothing is known of an effect, or it was not measured.
    """

    session: int
    setting: str
    expected: FloatArray
    deviation: FloatArray
    measured: FloatArray


def foretold(trials: Sequence[Trial], channels: Sequence[int], horizon_s: int) -> list[Foretold]:
    """Each of ``trials`` by fits that leave its session out, their spreads widened as a pack's are."""
    at, left_out = HORIZONS.index(horizon_s), _left_out(trials)
    found = []
    for group, of in _by_setting(trials).items():
        widened = _widened(left_out, group)
        for trial in of:
            others = [each for each in of if each.session != trial.session]
            fits = [_fit(others, channel, at) for channel in channels]
            known = [(np.nan, np.nan) if fit is None else (fit.size, widened * fit.spread) for fit in fits]
            size, spread = np.array(known, np.float32).T
            imagined, measured = trial.imagined[channels, at], trial.measured[channels, at]
            found.append(
                Foretold(trial.session, trial.setting, size * imagined, spread * np.abs(imagined), measured)
            )
    return found


def _as_shown(left_out: Sequence[_Beyond]) -> npt.NDArray[np.float64]:
    """Standard deviations from what was expected, each session judged by spreads that the others widened."""
    found: list[float] = []
    for session, group in dict.fromkeys((each.session, each.group) for each in left_out):
        widened = _widened([each for each in left_out if each.session != session], group)
        found += [
            each.deviations(widened) for each in left_out if each.session == session and each.group == group
        ]
    return np.array(found)
