# SPDX-License-Identifier: Apache-2.0
"""How the model in use does on this machine: what came is held against what was forecast, as counts.

A window is judged when it ends, and the next one of its length begins there, so that no second counts twice.
Right is as where a recording is judged (`jepa.world.band`), and only channels that move count. Which do is
a fact of the machine, whichever pack forecasts it: two packs in turn are judged on the same channels, and
none before it is fitted to the machine. The counts say nothing of what the machine does, begin anew with
another pack, and end with the process.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from jepa.telemetry.frame import BoolArray, Frame
from jepa.telemetry.schema import Schema
from jepa.world.alerts import STRANGE
from jepa.world.band import HitBand
from jepa.world.forecast import FloatArray, Forecast, Tick
from jepa.world.windows import OBSERVED, Trailing

_GAP_S: Final = 2.5
"""After frames further apart no window is whole."""
_FITTED: Final = 600
"""Windows count after so many frames of this machine: by then a pack's intervals are fitted to it."""
_MOVES_S: Final = 3600
"""A channel counts for so many frames after a window of it left the band around what is usual here."""
_USUAL: Final = 0.05
"""By which share of its distance to each window, at the longest horizon's pace, what is usual follows."""


@dataclass(slots=True)
class Windows:
    """Windows of one length, in counts of a channel's mean or P90."""

    judged: int = 0
    right: int = 0
    """The forecast was within the band."""
    repeated: int = 0
    """What the window before it held was."""
    covered: int = 0
    """Within the outermost quantiles."""


@dataclass(slots=True)
class PackFigures:
    """What came of the forecasts of one pack, since it was put in use in this process."""

    pack: str
    """Its name and version."""
    windows: dict[int, Windows] = field(default_factory=dict)
    """By horizon in seconds."""
    frames: int = 0
    """Whose surprise can be told."""
    surprising: int = 0
    """Of these, stranger than 99.5 % of what was seen here and in the pack's calibration."""


class RunningFigures:
    """Judges each frame in the thread that takes it; ``now`` may be read by any."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._moving = _Moving((), ())
        self._judge: _Judge | None = None
        self._ts_ns: int | None = None
        self.now: PackFigures | None = None
        """None until a pack has forecast."""

    def push(self, frame: Frame, tick: Tick | None, pack: str | None) -> None:
        """Take a frame, and what ``pack`` said at it."""
        gap = self._ts_ns is not None and not 0 < frame.ts_ns - self._ts_ns <= _GAP_S * 1e9
        self._ts_ns = frame.ts_ns
        if tick is None or pack is None:
            self._judge = None
            return
        if self.now is None or self.now.pack != pack:
            self.now, self._judge = PackFigures(pack), None
        if self._judge is None or gap:
            self._judge = _Judge(self._schema, tick.forecast, self.now.windows, self._moving)
            self._moving = self._judge.moving
        fitted = tick.surprise is not None and tick.surprise.frames > _FITTED
        self._judge.push(frame, tick.forecast, fitted)
        if tick.surprise is not None and tick.surprise.scaled:
            self.now.frames += 1
            self.now.surprising += tick.surprise.probability >= STRANGE


class _Moving:
    """Which channels moved lately, of ``channels`` in windows of ``lengths``."""

    def __init__(self, channels: tuple[str, ...], lengths: tuple[int, ...]) -> None:
        self._channels, self._lengths = channels, lengths
        self._usual: list[FloatArray | None] = [None] * len(lengths)
        self._moved = np.full(len(channels), -_MOVES_S - 1)
        """Frame at which each channel last left the band around what is usual."""
        self._frames = 0

    def fits(self, channels: tuple[str, ...], lengths: tuple[int, ...]) -> bool:
        """Whether it is of these channels, in windows of these lengths."""
        return self._channels == channels and self._lengths == lengths

    def pass_frame(self) -> None:
        """Let a second go by."""
        self._frames += 1

    def note(self, number: int, came: FloatArray, seen: BoolArray, band: HitBand) -> None:
        """Take what the windows (C, 2) of one length held."""
        usual = self._usual[number]
        if usual is None:
            self._usual[number] = came.copy()
            return
        usual[np.isnan(usual)] = came[np.isnan(usual)]
        away = seen & ~_near(band, usual, came).all(axis=-1)
        self._moved[away] = self._frames
        share = _USUAL * self._lengths[number] / self._lengths[-1]
        usual[seen] += share * (came - usual)[seen]

    @property
    def lately(self) -> BoolArray:
        """(C,) of each channel."""
        return self._frames - self._moved <= _MOVES_S


def _near(band: HitBand, forecast: FloatArray, came: FloatArray) -> BoolArray:
    return band.holds(forecast[:, None], came[:, None])[:, 0]


class _Judge:
    """The forecasts of a pack from a gap to the next."""

    def __init__(
        self, schema: Schema, forecast: Forecast, counts: dict[int, Windows], known: _Moving
    ) -> None:
        """``known`` is what moved before."""
        self._columns = np.array([schema.index(name) for name in forecast.channels], np.intp)
        self._band = HitBand(schema.select(forecast.channels))
        lengths = [(place, each) for place, each in enumerate(forecast.horizons_s) if each > 1]
        self._places = [place for place, _ in lengths]
        self._lengths = tuple(each for _, each in lengths)
        self._counts = [counts.setdefault(each, Windows()) for each in self._lengths]
        self._trailing = Trailing(len(self._columns), self._lengths) if lengths else None
        middle = forecast.quantiles.index(0.5)
        self._of = [0, middle, len(forecast.quantiles) - 1]
        self._said: list[FloatArray | None] = [None] * len(lengths)
        """Of each length the forecast of the window under way (C, 2, 3): low, middle and high."""
        self._before: list[FloatArray | None] = [None] * len(lengths)
        """What the window before it held (C, 2)."""
        same = known.fits(forecast.channels, self._lengths)
        self.moving = known if same else _Moving(forecast.channels, self._lengths)
        self._frames = 0

    def push(self, frame: Frame, forecast: Forecast, fitted: bool) -> None:
        """Judge the windows that end with ``frame``, and keep what is said of those that begin.

        What is said counts if it is ``fitted`` to this machine.
        """
        if self._trailing is None:
            return
        values = np.where(frame.valid, frame.values, np.nan)[self._columns].astype(np.float32)
        stats = self._trailing.push(values)
        self._frames += 1
        self.moving.pass_frame()
        for number, (place, length) in enumerate(zip(self._places, self._lengths, strict=True)):
            # never two lengths at the same frame, which would take the time of both
            if self._frames % length != number:
                continue
            came = np.stack([stats.mean[:, number], stats.p90[:, number]], axis=-1)
            seen = stats.share[:, number] >= OBSERVED
            self._settle(number, came, seen)
            both = np.stack([forecast.mean[:, place], forecast.p90[:, place]], axis=1)
            self._said[number], self._before[number] = both[..., self._of] if fitted else None, came

    def _settle(self, number: int, came: FloatArray, seen: BoolArray) -> None:
        self.moving.note(number, came, seen, self._band)
        said, before, counts = self._said[number], self._before[number], self._counts[number]
        if said is None or before is None:
            return
        judged = (seen & self.moving.lately)[:, None] & np.isfinite(said).all(axis=-1)
        judged &= np.isfinite(before)
        counts.judged += int(judged.sum())
        counts.right += int((judged & _near(self._band, said[..., 1], came)).sum())
        counts.repeated += int((judged & _near(self._band, before, came)).sum())
        counts.covered += int((judged & (said[..., 0] <= came) & (came <= said[..., 2])).sum())
