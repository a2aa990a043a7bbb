# SPDX-License-Identifier: Apache-2.0
"""Scores forecasts of windows against what came: bands, hard windows, errors, coverage."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from jepa.telemetry.frame import BoolArray
from jepa.telemetry.schema import Schema
from jepa.world.band import BAND, NOISE_FLOORS, HitBand
from jepa.world.forecast import FloatArray

WINDOW = "window"
"""The baseline whose misses are the hard windows: repeating the past window of the same length."""
TWIN = "twin"
"""The name under which a second run of the same workload is judged as if it were a forecaster."""
ACTING = "acting"
"""The kind of a recording during which actions were taken."""
APART = (ACTING, "scarce", "lived")
"""Kinds whose figures stand apart: what comes there comes by chance, far more often, or by nobody's plan."""
_BLOCK_S = 60
_RESAMPLES = 400
_LOWER = 2.5
_SKILL_HORIZONS = (5, 15, 30)


@dataclass(frozen=True, slots=True)
class Replayed:
    """One recording with what was forecast at each frame, in the channels' units."""

    kind: str
    """day, busy, acting, scarce, or lived: a machine at its owner's work, of which nobody has a schedule."""
    truth: FloatArray  # (T, C, H, 2) mean and P90 of the window that came
    scored: (
        BoolArray  # (T, C, H): the window came, was observed enough, and the past is long enough to judge
    )
    points: Mapping[str, FloatArray]  # forecaster -> (T, C, H, 2)
    quantiles: FloatArray  # (T, C, H, 2, Q) of the model
    twin: FloatArray | None = None  # (T, C, H, 2) what came when the same seeded workload ran again
    event_probability: FloatArray | None = None  # (T, E, H) of events

    def only(self, where: BoolArray) -> "Replayed":
        """The windows at which ``where`` (T, H) holds."""
        return replace(self, scored=self.scored & where[:, None, :])

    def knowable(self) -> "Replayed | None":
        """The windows that the twin saw too, with the twin as one more forecaster; None without a twin."""
        if self.twin is None:
            return None
        both = self.scored & np.isfinite(self.twin).all(axis=-1)
        return replace(self, scored=both, points={**self.points, TWIN: self.twin})


def within_band(forecast: FloatArray, truth: FloatArray, schema: Schema, literal: bool = False) -> BoolArray:
    """Whether each forecast (..., C, H, 2) hits the band around the truth.

    When ``literal``, its range is that of the channel's unit, which for a rate with a high bound of
    millions is never left.
    """
    if not literal:
        return HitBand(schema).holds(forecast, truth)
    floor = np.array([channel.noise_floor for channel in schema.channels])[:, None, None] * NOISE_FLOORS
    span = np.array([channel.high - channel.low for channel in schema.channels])[:, None, None]
    return np.asarray(np.abs(forecast - truth) <= np.maximum(BAND * span, floor))


def moving_channels(replays: Sequence[Replayed], schema: Schema, literal: bool = False) -> BoolArray:
    """(C,) the channels whose windows leave the band around their own median, in some recording."""
    moving = np.zeros(len(schema.channels), np.bool_)
    for replay in replays:
        truth = np.where(replay.scored[..., None], replay.truth, np.nan)
        flat = np.moveaxis(truth, 1, 0).reshape(len(moving), -1)
        some = np.isfinite(flat).any(axis=1)
        middle = np.full(len(moving), np.nan, np.float32)
        middle[some] = np.nanmedian(flat[some], axis=1)
        near = within_band(np.broadcast_to(middle[:, None, None], truth.shape), truth, schema, literal)
        moving |= (~near & np.isfinite(truth)).any(axis=(0, 2, 3))
    return moving


@dataclass(frozen=True, slots=True)
class BlockSums:
    """Sums over the frames of one block, each (C, H, 2)."""

    count: FloatArray
    right: Mapping[str, FloatArray]
    error: Mapping[str, FloatArray]  # on the unit scale
    hard: FloatArray  # windows that window persistence missed
    recovered: Mapping[str, FloatArray]  # forecaster -> of those, windows it hit
    knowable: FloatArray  # windows that window persistence missed and the twin hit, 0 without a twin
    known: FloatArray  # of those, windows the model hit
    pinball: FloatArray  # of the model, unit scale, twice the mean over levels: comparable with an error
    covered: FloatArray
    session: int = 0
    """Which recording the block is of."""


Part = Callable[[BlockSums], FloatArray]


def tallies(
    replay: Replayed, schema: Schema, levels: Sequence[float], session: int = 0, *, literal: bool = False
) -> list[BlockSums]:
    """One tally for each minute of a recording, the blocks of the bootstrap."""
    mask = np.repeat(replay.scored[..., None], 2, axis=-1)
    # Where a channel was absent for so long that nothing can be repeated, nobody is judged.
    mask &= (
        np.isfinite(replay.truth) & np.isfinite(replay.points["model"]) & np.isfinite(replay.points[WINDOW])
    )
    right = {name: within_band(p, replay.truth, schema, literal) & mask for name, p in replay.points.items()}
    error = {
        name: np.where(mask, HitBand(schema).distance(point, replay.truth), 0)
        for name, point in replay.points.items()
    }
    hard = mask & ~right[WINDOW]
    pinball = np.zeros_like(error["model"])
    for number, level in enumerate(levels):
        quantile = replay.quantiles[..., number]
        size = HitBand(schema).distance(quantile, replay.truth)
        weight = np.where(replay.truth >= quantile, level, 1 - level)
        pinball += np.where(mask, 2 * weight * size, 0) / len(levels)
    low, high = replay.quantiles[..., 0], replay.quantiles[..., -1]
    covered = mask & (replay.truth >= low) & (replay.truth <= high)
    knowable = hard & right[TWIN] if TWIN in right else np.zeros_like(mask)
    blocks = [slice(start, start + _BLOCK_S) for start in range(0, len(mask), _BLOCK_S)]

    def total(values: npt.NDArray[np.generic], block: slice) -> FloatArray:
        return np.asarray(values[block].sum(axis=0, dtype=np.float64), np.float32)

    return [
        BlockSums(
            total(mask, block),
            {name: total(values, block) for name, values in right.items()},
            {name: total(values, block) for name, values in error.items()},
            total(hard, block),
            {name: total(hard & values, block) for name, values in right.items()},
            total(knowable, block),
            total(knowable & right["model"], block),
            total(pinball, block),
            total(covered, block),
            session,
        )
        for block in blocks
        if mask[block].any()
    ]


def merged(parts: Sequence[BlockSums]) -> list[BlockSums]:
    """All blocks as one, in double precision; none of none."""
    if not parts:
        return []

    def total(part: Part) -> FloatArray:
        return np.asarray(np.sum([part(each) for each in parts], axis=0, dtype=np.float64))

    def totals(part: Callable[[BlockSums], Mapping[str, FloatArray]]) -> dict[str, FloatArray]:
        return {who: total(lambda each: part(each)[who]) for who in part(parts[0])}  # noqa: B023

    return [
        BlockSums(
            total(lambda t: t.count),
            totals(lambda t: t.right),
            totals(lambda t: t.error),
            total(lambda t: t.hard),
            totals(lambda t: t.recovered),
            total(lambda t: t.knowable),
            total(lambda t: t.known),
            total(lambda t: t.pinball),
            total(lambda t: t.covered),
            parts[0].session,
        )
    ]


class Scores:
    """Figures over many tallies, for the channels and horizons that count."""

    def __init__(
        self, parts: Sequence[BlockSums], moving: BoolArray, horizons: Sequence[int], seed: int = 0
    ) -> None:
        self._parts = parts
        self._counts = moving[:, None] & (np.array(horizons) > 1)[None, :]
        self._skill = moving[:, None] & np.isin(np.array(horizons), _SKILL_HORIZONS)[None, :]
        self._draws = _draw(np.array([part.session for part in parts], np.intp), np.random.default_rng(seed))

    def accuracy(self, who: str, target: int | None = None) -> float | None:
        """Banded accuracy, moving channels and horizons weighing the same; target 0 mean, 1 P90."""
        return self._accuracy(self._sum(lambda t: t.right[who]), self._sum(lambda t: t.count), target)

    def accuracy_lower(self, who: str) -> float | None:
        """The lower end of its 95 % interval, by a bootstrap over sessions and minutes."""
        right, count = self._drawn(lambda t: t.right[who]), self._drawn(lambda t: t.count)
        return _lower(self._accuracy(*each, None) for each in zip(right, count, strict=True))

    def ahead_lower(self, baseline: str) -> float | None:
        """The lower end of the 95 % interval of the model's accuracy less that of ``baseline``."""
        ours, theirs = self._drawn(lambda t: t.right["model"]), self._drawn(lambda t: t.right[baseline])

        def ahead(model: FloatArray, other: FloatArray, of: FloatArray) -> float | None:
            found = self._accuracy(model, of, None), self._accuracy(other, of, None)
            return None if found[0] is None or found[1] is None else found[0] - found[1]

        return _lower(
            ahead(*each) for each in zip(ours, theirs, self._drawn(lambda t: t.count), strict=True)
        )

    def recovery(self, who: str = "model") -> float | None:
        """Of the windows that window persistence missed, the share that ``who`` hit."""
        return self._recovery(self._sum(lambda t: t.recovered[who]), self._sum(lambda t: t.hard))

    def recovery_lower(self) -> float | None:
        """The lower end of the model's 95 % interval."""
        hit, hard = self._drawn(lambda t: t.recovered["model"]), self._drawn(lambda t: t.hard)
        return _lower(self._recovery(*each) for each in zip(hit, hard, strict=True))

    def known(self) -> float | None:
        """Of the windows that window persistence missed and the twin hit, the share that the model hit."""
        return self._recovery(self._sum(lambda t: t.known), self._sum(lambda t: t.knowable))

    def known_lower(self) -> float | None:
        """The lower end of its 95 % interval."""
        hit, hard = self._drawn(lambda t: t.known), self._drawn(lambda t: t.knowable)
        return _lower(self._recovery(*each) for each in zip(hit, hard, strict=True))

    def gap_closed(self, baselines: Sequence[str]) -> float | None:
        """How far the model is on the way from the best of ``baselines`` to the twin: 0 there, 1 here."""
        sums = {who: self._sum(lambda t: t.right[who]) for who in ("model", TWIN, *baselines)}  # noqa: B023
        return self._gap(sums, self._sum(lambda t: t.count), baselines)

    def gap_closed_lower(self, baselines: Sequence[str]) -> float | None:
        """The lower end of its 95 % interval; None where there is no gap."""
        if self.gap_closed(baselines) is None:
            return None
        names = ("model", TWIN, *baselines)
        rights = [self._drawn(lambda t: t.right[who]) for who in names]  # noqa: B023
        return _lower(
            self._gap(dict(zip(names, right, strict=True)), count, baselines)
            for *right, count in zip(*rights, self._drawn(lambda t: t.count), strict=True)
        )

    def _gap(
        self, sums: Mapping[str, FloatArray], count: FloatArray, baselines: Sequence[str]
    ) -> float | None:
        found = {who: self._accuracy(right, count, None) for who, right in sums.items()}
        model, ceiling = found["model"], found[TWIN]
        best = max((value for who in baselines if (value := found[who]) is not None), default=None)
        if model is None or ceiling is None or best is None or ceiling <= best:
            return None
        return (model - best) / (ceiling - best)

    def error_ratio(self, baseline: str, who: str = "model") -> float | None:
        """Mean absolute error at 5-30 s over that of ``baseline``, on the unit scale; below 1 is better."""
        return self._ratio(self._sum(lambda t: t.error[who]), self._sum(lambda t: t.error[baseline]))

    def crps_ratio(self, baseline: str) -> float | None:
        """CRPS from the quantiles at 5-30 s over that of ``baseline``, a point, whose CRPS is its error."""
        return self._ratio(self._sum(lambda t: t.pinball), self._sum(lambda t: t.error[baseline]))

    def coverage(self) -> float | None:
        """Share of windows within the 90 % interval, macro-averaged as the accuracy is."""
        return self._accuracy(self._sum(lambda t: t.covered), self._sum(lambda t: t.count), None)

    def _accuracy(self, right: FloatArray, count: FloatArray, target: int | None) -> float | None:
        use = np.repeat(self._counts[..., None], 2, axis=-1) & (count > 0)
        if target is not None:
            use[..., 1 - target] = False
        return float((right[use] / count[use]).mean()) if use.any() else None

    def _recovery(self, hit: FloatArray, hard: FloatArray) -> float | None:
        total = float(hard[self._counts].sum())
        return float(hit[self._counts].sum()) / total if total else None

    def _ratio(self, ours: FloatArray, theirs: FloatArray) -> float | None:
        total = float(theirs[self._skill].sum())
        return float(ours[self._skill].sum()) / total if total else None

    def _sum(self, part: Part) -> FloatArray:
        return (
            np.asarray(self._stack(part).sum(0))
            if self._parts
            else np.zeros((*self._counts.shape, 2), np.float32)
        )

    def _stack(self, part: Part) -> FloatArray:
        return (
            np.stack([part(tally) for tally in self._parts]) if self._parts else np.zeros((0, 0), np.float32)
        )

    def _drawn(self, part: Part) -> FloatArray:
        """(resamples, C, H, 2) the sums of each resample of the blocks."""
        if not self._parts:
            return np.zeros((0, 0), np.float32)
        blocks = self._stack(part)
        return np.asarray((self._draws @ blocks.reshape(len(blocks), -1)).reshape(-1, *blocks.shape[1:]))


def _lower(figures: Iterable[float | None]) -> float | None:
    """The lower end of the 95 % interval of what resamples came to, where they came to anything."""
    drawn = [value for value in figures if value is not None]
    return float(np.percentile(drawn, _LOWER)) if drawn else None


def _draw(sessions: npt.NDArray[np.intp], rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """(resamples, blocks) how often each is in one: first sessions, then as many blocks of each as it has.

    Both are drawn with replacement. Blocks of one session resemble each other, so drawing blocks alone would
    make intervals too narrow.
    """
    of = [np.flatnonzero(sessions == session) for session in np.unique(sessions)]
    times = np.zeros((_RESAMPLES if of else 0, len(sessions)))
    for row in times:
        drawn = [rng.choice(of[each], len(of[each])) for each in rng.integers(0, len(of), len(of))]
        row += np.bincount(np.concatenate(drawn), minlength=len(sessions))
    return times
