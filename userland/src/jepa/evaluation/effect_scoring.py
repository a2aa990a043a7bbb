# SPDX-License-Identifier: Apache-2.0
"""Whether the imagined effect of actions is the real one: seeded workloads with and without the actions.

Each workload ran four times: twice with the same actions, twice with none. When a setting changes, its real
effect is how the window after it differs from the seconds before, where actions were taken, less the same
where none were (difference in differences): the runs lie minutes apart, and caches fill meanwhile. Chance is
how far two runs of the same are apart, measured likewise. The imagined effect is what the model, at
the last frame before the change, says of the settings to come less what it says of those in force.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from jepa.evaluation.courses import HORIZONS, CourseImaginer, CourseQuestion, PackImaginer
from jepa.evaluation.replay import aligned
from jepa.packs.pack import Pack
from jepa.telemetry.frame import BoolArray
from jepa.telemetry.recording import Recording
from jepa.world.controls import in_force
from jepa.world.forecast import FloatArray
from jepa.world.scale import Scale

_BEYOND, _CLEAR = 2.0, 5.0
_LEAST = 0.02
"""Effects smaller than this on the unit scale are none, however alike two runs are."""
_BEFORE = 5
"""Frames before a change that what follows it is compared with."""
_KEPT = 0.8
"""Of a window's length, for which a setting must be kept if it is to be judged by it."""
_WARM = 32
"""Frames the model has seen before it is asked."""
_DRAWS = 400


@dataclass(frozen=True, slots=True)
class Experiment:
    """One workload, run twice with its actions and twice without them."""

    acted: Recording
    twin: Recording
    untouched: Recording
    untouched_twin: Recording


@dataclass(frozen=True, slots=True)
class SettingChange:
    """A setting that changes between frame ``at`` and the next one."""

    at: int
    before: FloatArray
    after: FloatArray
    """(A,) what is in force then and from then on."""
    kept: int
    """Frames until the next change."""


@dataclass(frozen=True, slots=True)
class Judged:
    """How often the imagined effect has the sign of the real one, where that is large enough."""

    deviations: float
    sign_right: float | None
    """0..1, every effect weighing the same; None where there was none to judge."""
    sign_right_lower: float | None
    """The lower end of the 95 % interval, by a bootstrap over changes."""
    shuffled: float | None
    """The same when each change is imagined as every other one of its recording: 0.5 if what is changed
    matters, and others move as much the other way as the same."""
    size: float | None
    """How much of the real effects is imagined: the slope of the one on the other, through 0.

    1 is all of it, which a plan needs to know: the right sign with a hundredth of the size would not do.
    """
    size_shuffled: float | None
    """The same of the others in each one's place: 0 if what is changed matters."""
    windows: int
    """Effects judged: channels and horizons of changes."""
    by_chance: int
    """As many would exceed that if nothing had been done: two runs of the same differ so often."""
    changes: int
    """Changes of settings that the effects belong to."""


@dataclass(frozen=True, slots=True)
class Effects:
    """Whether imagined effects are real."""

    beyond: Judged
    """Those beyond two deviations; of so many channels a good part is chance all the same."""
    clear: Judged
    """Those beyond five, of which hardly any is."""
    channels: dict[str, dict[str, float | None]]
    """Of the clear ones by channel: effects judged, share of signs right, with and without shuffling."""
    settings: dict[str, dict[str, float | None]]
    """The same by what was changed, ``ACTION.ROLE``."""


@dataclass(frozen=True, slots=True)
class Real:
    """What the changes of an experiment did, (N, C, H) each but for ``chance``, (2, N, C, H)."""

    effect: FloatArray
    """On the windows' means, on the unit scale; NaN where it is none or a setting was not kept."""
    deviations: FloatArray
    """How many of chance's it is."""
    chance: FloatArray
    """How many two means of two runs would be apart if nothing had been done; by either pair alike."""


def judge_effects(
    experiments: Sequence[Experiment], pack: Pack, seed: int = 0, imaginer: CourseImaginer | None = None
) -> Effects | None:
    """Judge ``pack``, or the ``imaginer`` in its place; None without an experiment."""
    if not experiments:
        return None
    rng = np.random.default_rng(seed)
    names = pack.manifest.shape.controls
    real, effects, shuffled, instead, what = [], [], [], [], []
    for each in experiments:
        changes = changes_of(each.acted)
        real.append(real_effects(each, changes))
        imagined, others = imagined_effects(each.acted, changes, pack, imaginer)
        effects.append(imagined)
        shuffled.append(_sign_shared(others, real[-1].effect))
        instead.append(others.mean(axis=1) if others.shape[1] else np.full_like(imagined, np.nan))
        what += [names[int(np.abs(change.after - change.before).argmax())] for change in changes]
    effect, deviations = (
        np.concatenate([getattr(one, name) for one in real]) for name in ("effect", "deviations")
    )
    chance = np.concatenate([one.chance for one in real], axis=1)
    effect, imagined = np.nan_to_num(effect), np.concatenate(effects)
    right = np.sign(imagined) == np.sign(effect)
    compared = _Compared(imagined, effect, right, np.concatenate(shuffled), np.concatenate(instead))
    clear = deviations > _CLEAR
    by_channel = {
        name: compared.shares(clear & (np.arange(clear.shape[1]) == at)[:, None])
        for at, name in enumerate(pack.schema.names)
    }
    by_setting = {name: compared.shares(clear & (np.array(what) == name)[:, None, None]) for name in names}
    beyond, clearly = (
        compared.judged(
            deviations > level, round(float((chance > level).sum(axis=(1, 2, 3)).mean())), level, rng
        )
        for level in (_BEYOND, _CLEAR)
    )
    return Effects(
        beyond,
        clearly,
        channels={name: row for name, row in by_channel.items() if row is not None},
        settings={name: row for name, row in by_setting.items() if row is not None},
    )


@dataclass(frozen=True, slots=True)
class _Compared:
    """Imagined and real effects of N changes, (N, C, H) each."""

    imagined: FloatArray
    effect: FloatArray
    right: BoolArray
    """Whether the sign is right."""
    other: FloatArray
    """How often it is with the other changes in the place of each, 0..1; NaN where there is no other."""
    instead: FloatArray
    """What is imagined of those on average; NaN likewise."""

    def shares(self, of: BoolArray) -> dict[str, float | None] | None:
        """Of the effects ``of``; None where there is none."""
        if not of.any():
            return None
        found = {"judged": float(of.sum()), "sign_right": float(self.right[of].mean())}
        others = of & np.isfinite(self.other)
        return {
            **found,
            "shuffled": float(self.other[others].mean()) if others.any() else None,
            "size": self._size(self.imagined, of),
            "size_shuffled": self._size(self.instead, others) if others.any() else None,
        }

    def _size(self, imagined: FloatArray, of: BoolArray) -> float:
        real = self.effect[of]
        return float((imagined[of] * real).sum() / np.square(real).sum())

    def judged(self, of: BoolArray, by_chance: int, level: float, rng: np.random.Generator) -> Judged:
        """The same with the lower end of an interval, changes being drawn anew."""
        hits, count = ((each & of).sum((1, 2)).astype(np.float64) for each in (self.right, of))  # (N,)
        draws = rng.integers(0, len(count), (_DRAWS, len(count)))
        lower = [hits[draw].sum() / count[draw].sum() for draw in draws if count[draw].sum()]
        found = self.shares(of)
        return Judged(
            deviations=level,
            sign_right=found["sign_right"] if found else None,
            sign_right_lower=float(np.percentile(lower, 2.5)) if lower else None,
            shuffled=found["shuffled"] if found else None,
            size=found["size"] if found else None,
            size_shuffled=found["size_shuffled"] if found else None,
            windows=int(count.sum()),
            by_chance=by_chance,
            changes=int((count > 0).sum()),
        )


def changes_of(recording: Recording) -> list[SettingChange]:
    """Every change of settings after the first half minute."""
    force = in_force(recording)
    at = np.flatnonzero((force[1:] != force[:-1]).any(axis=1))
    ends = [*at[1:], len(force) - 1]
    return [
        SettingChange(int(frame), force[frame], force[frame + 1], int(end - frame))
        for frame, end in zip(at, ends, strict=True)
        if frame + 1 >= _WARM
    ]


@dataclass(frozen=True, slots=True)
class Measured:
    """What the changes of an experiment were measured to do on the windows' means, on the unit scale."""

    effect: FloatArray
    """(N, C, H); NaN where a channel was not observed or a setting was not kept."""
    kept: BoolArray
    """(N, 1, H) whether the setting was kept for the window."""
    same: FloatArray
    """(2, T, C, H): how far two runs of the same are apart; whatever differs here, actions did not do it."""
    chance: FloatArray
    """(C, H): the root mean square of that."""


def measure_effects(each: Experiment, changes: Sequence[SettingChange]) -> Measured:
    """What N changes did, as difference in differences, and how far chance alone takes runs apart."""
    scale = Scale(each.acted.schema)

    def differences(run: Recording) -> FloatArray:
        """(T, C, H): the windows after each frame less the seconds up to it."""
        means = np.moveaxis(aligned(run, each.acted, (*HORIZONS, _BEFORE))[..., 0], 1, -1)  # (T, H + 1, C)
        unit = np.moveaxis(scale.to_unit(means), -1, 1)
        before = np.full_like(unit[..., -1], np.nan)
        before[_BEFORE:] = unit[:-_BEFORE, :, -1]
        return unit[..., :-1] - before[..., None]

    acted, again, without, without_again = (
        differences(run) for run in (each.acted, each.twin, each.untouched, each.untouched_twin)
    )
    same = np.stack([acted - again, without - without_again])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # channels that were not observed
        chance = np.sqrt(np.nanmean(same**2, axis=(0, 1)))  # (C, H)
    at = [change.at for change in changes]
    kept = np.array([[change.kept >= _KEPT * horizon for horizon in HORIZONS] for change in changes])
    kept = kept.reshape(len(changes), 1, len(HORIZONS))
    effect = ((acted + again) / 2 - (without + without_again) / 2)[at]
    return Measured(np.where(kept, effect, np.nan).astype(np.float32), kept, same, chance)


def real_effects(each: Experiment, changes: Sequence[SettingChange]) -> Real:
    """What N changes did, where it is large enough to be an effect."""
    measured = measure_effects(each, changes)
    chance, kept = measured.chance, measured.kept
    at = [change.at for change in changes]
    # Two runs differ by twice the variance of one, the means of two by as much as that of one.
    apart = np.asarray(measured.same[:, at] * np.sqrt(0.5), np.float32)
    shape = (len(changes), len(each.acted.schema.channels), len(HORIZONS))

    def counted(difference: npt.NDArray[np.floating]) -> FloatArray:
        """In deviations of chance; 0 for what is too small, or not to be judged."""
        with np.errstate(invalid="ignore", divide="ignore"):
            size = np.abs(difference) / np.maximum(chance, _LEAST / _BEYOND)
            fine = (np.abs(difference) > _LEAST) & kept
        return np.where(fine, size, 0).reshape(shape).astype(np.float32)

    deviations = counted(measured.effect)
    return Real(
        np.where(deviations > 0, measured.effect, np.nan).reshape(shape).astype(np.float32),
        deviations,
        np.stack([counted(pair) for pair in apart]),
    )


def _sign_shared(others: FloatArray, effect: FloatArray) -> FloatArray:
    """Of M effects imagined in the place of each, (N, M, C, H), how many have its sign, (N, C, H)."""
    if not others.shape[1]:
        return np.full_like(effect, np.nan)
    shared: FloatArray = (np.sign(others) == np.sign(effect)[:, None]).mean(axis=1, dtype=np.float32)
    return shared


def imagined_effects(
    recording: Recording,
    changes: Sequence[SettingChange],
    pack: Pack,
    imaginer: CourseImaginer | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Imagined effects on the unit scale, of each change, (N, C, H), and of the others in its place.

    Those are (N, M, C, H), of all others or as many as ``pack`` can imagine at once. Whoever is the
    ``imaginer``, or the pack itself, is asked.
    """
    others = min(max(0, len(changes) - 1), pack.manifest.shape.candidates - 2)
    questions = []
    for place, change in enumerate(changes):
        # From the next one on, in a circle: which are left out where there are too many does not matter.
        instead = [changes[(place + 1 + step) % len(changes)] for step in range(others)]
        settings = [change.before, change.after]
        settings += [np.clip(change.before + other.after - other.before, -1, 1) for other in instead]
        questions.append(CourseQuestion(change.at, np.stack(settings)))
    imagined = np.zeros((len(changes), 1 + others, len(pack.schema.channels), len(HORIZONS)), np.float32)
    for place, windows in enumerate((imaginer or PackImaginer(pack)).windows(recording, questions)):
        imagined[place] = windows[1:] - windows[0]
    return imagined[:, 0], imagined[:, 1:]
