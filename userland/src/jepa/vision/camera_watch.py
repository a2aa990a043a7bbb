# SPDX-License-Identifier: Apache-2.0
"""One camera watched: what surprises becomes an event, and one that goes away is waited for."""

import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from jepa.errors import JepaError
from jepa.telemetry.events.event import Event
from jepa.telemetry.events.reports import NAME
from jepa.vision.address import shown
from jepa.vision.clip import Framer
from jepa.vision.deviation import DeviationScale, Judgement, Sight
from jepa.vision.pipeline import Gate, Pipeline, Taken
from jepa.vision.source import PictureSource, open_source
from jepa.world.hysteresis import Hysteresis

STRANGE_SHARE = 0.99
STRANGE_TIMES = 2.0
"""A clip is strange when it surprises more than this share of clips, and this many times what is usual."""
CALM = 3
"""Clips without a strange one that end an anomaly."""
_GAP_FRAMES = 1.5
"""A clip that begins within so many frames of the end of another follows it."""
_RETRY_S = (1.0, 30.0)
"""First wait before a camera is opened again, and the longest; each is twice the one before."""


@dataclass(slots=True)
class WatchCounts:
    """What became of a source's pictures, over all the times that it was opened."""

    clips: int = 0
    """Judged, those that did not change among them."""
    unchanged: int = 0
    """Clips that showed what the one before showed."""
    strange: int = 0
    """Clips that surprised beyond what is usual."""
    taken: int = 0
    """Pictures that were sampled; each is in a clip, dropped or left, or waits."""
    dropped: int = 0
    """Pictures lost because the machine was too slow."""
    left: int = 0
    """Pictures in no clip, since one beside them was lost."""
    damaged: int = 0
    """Packets that could not be decoded."""
    time_jumps: int = 0
    """Times that its time stamps jumped."""
    reconnects: int = 0
    """Times that it came back."""

    @property
    def words(self) -> str:
        """All of it in one line."""
        return (
            f"{self.clips} clips, {self.unchanged} unchanged, {self.strange} strange; "
            f"{self.taken} pictures, {self.dropped} dropped, {self.left} left, {self.reconnects} reconnects"
        )


class CameraWatch:
    """Yields the events of each clip, most often none, until the source ends; a camera is waited for.

    ``patient``: also before it was there for the first time. To be iterated once.
    """

    def __init__(
        self,
        where: str,
        sight: Sight,
        fps: float,
        *,
        patient: bool = False,
        opened: Callable[[str], PictureSource] = open_source,
        wall_ns: Callable[[], int] = time.time_ns,
        retry_s: tuple[float, float] = _RETRY_S,
    ) -> None:
        self.where = where
        self.unit = shown(where)
        """How events name it: the device that ``where`` last led to, or the address without its password."""
        self.fault = ""
        """Why it cannot be watched just now."""
        self._sight, self._fps, self._patient = sight, fps, patient
        self._opened, self._wall_ns, self._retry_s = opened, wall_ns, retry_s
        self._framer = Framer(sight.clip)
        self._gate = Gate(sight.gate)
        self._scale = DeviationScale(sight.floor)
        self._stopped = threading.Event()
        self._before = WatchCounts()
        """All of it but what the pipeline that is open counts."""
        self._open: tuple[PictureSource, Pipeline] | None = None
        self._end_s: float | None = None
        """Of the clip before, if that was looked at."""
        self._lost_ns: int | None = None
        self._anomaly = Hysteresis(of=1, enough=1, calm=CALM)

    @property
    def counts(self) -> WatchCounts:
        """The counts so far."""
        if self._open is None:
            return replace(self._before)
        source, pipeline = self._open
        return replace(
            self._before,
            taken=self._before.taken + pipeline.counts.taken,
            dropped=self._before.dropped + pipeline.counts.dropped,
            left=self._before.left + pipeline.counts.left,
            damaged=self._before.damaged + source.damaged,
            time_jumps=self._before.time_jumps + source.jumps,
        )

    def stop(self) -> None:
        """End it soon, from any thread."""
        self._stopped.set()
        if (now := self._open) is not None:
            now[1].stop()

    def __iter__(self) -> Generator[list[Event]]:
        """The events of each clip and of the source; JepaError of a source that is not waited for."""
        wait, longest = self._retry_s
        while not self._stopped.is_set():
            try:
                for events in self._once():
                    wait = self._retry_s[0]
                    yield events
                return
            except JepaError as error:
                if not self._patient:
                    raise
                yield self._lost(error)
            self._stopped.wait(wait)
            wait = min(2 * wait, longest)

    def _once(self) -> Iterator[list[Event]]:
        """From opening the source to its end; JepaError when it breaks off."""
        where = self.where
        if where.startswith("/dev/v4l/"):
            # Its number may be another camera's by now.
            if not Path(where).exists():
                raise JepaError(f"{self.unit} is not plugged in.", "Plug it in.")
            where = self.unit = str(Path(where).resolve())
        source = self._opened(where)
        self._patient |= source.live
        pipeline = Pipeline(source, self._framer, self._sight.clip.frames, self._fps)
        self._open = source, pipeline
        if self._stopped.is_set():
            pipeline.stop()  # stopped before there was a pipeline to stop
        self._end_s = None
        self._sight.clear()
        try:
            with closing(iter(pipeline)) as clips:
                for taken in clips:
                    yield [*self._back(), *self._look(taken, source.live)]
        finally:
            self._before, self._open = self.counts, None
        if source.live and not self._stopped.is_set():
            raise JepaError(f"{self.unit} has ended.", "Is it still there?")

    def _look(self, taken: Taken, live: bool) -> Iterator[Event]:
        self._before.clips += 1
        if self._gate.changed(taken.frames):
            follows = self._end_s is not None and taken.start_s - self._end_s < _GAP_FRAMES / self._fps
            distance = self._sight.look(taken.frames, follows=follows)
            self._end_s = taken.end_s
        else:
            self._before.unchanged += 1
            self._end_s, distance = None, 0.0
        judged = None if distance is None else self._scale.judge(distance)
        strange = judged is not None and judged.share >= STRANGE_SHARE and judged.times >= STRANGE_TIMES
        self._before.strange += strange
        if not self._anomaly.push(strange):
            return
        if not self._anomaly.holds:
            yield self._event("anomaly_over", None, "info")
        elif judged is not None:
            when = "" if live else f"at {taken.start_s:.1f} s: "
            yield self._event("anomaly", f"{when}{self._why(judged)}", "warning")

    def _why(self, judged: Judgement) -> str:
        return (
            f"{judged.times:.1f} times what is usual, more than {judged.share:.1%} of {judged.of} clips "
            f"({self._sight.words})"
        )

    def _lost(self, error: JepaError) -> list[Event]:
        """Reported once, until it is back."""
        self.fault = error.problem
        if self._lost_ns is not None:
            return []
        self._lost_ns = self._wall_ns()
        self._anomaly.clear()
        return [self._event("camera_lost", error.problem.rstrip("."), "warning")]

    def _back(self) -> Iterator[Event]:
        if self._lost_ns is not None:
            gone_s = (self._wall_ns() - self._lost_ns) / 1e9
            self._lost_ns, self.fault = None, ""
            self._before.reconnects += 1
            yield self._event("camera_back", f"after {gone_s:.0f} s", "info")

    def _event(self, kind: str, detail: str | None, severity: str) -> Event:
        return Event(self._wall_ns(), kind, self.unit, detail, severity, NAME)
