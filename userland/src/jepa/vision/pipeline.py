# SPDX-License-Identifier: Apache-2.0
"""From a source to clips: sampled, framed, bounded, with what was lost or skipped counted."""

import threading
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace

import numpy as np

from jepa.errors import JepaError
from jepa.vision.clip import FloatArray, Framer
from jepa.vision.picture import Picture
from jepa.vision.source import PictureSource

_QUEUE = 64
"""Framed pictures that wait to be taken."""
_GRID = 16
_SILENT_S = 30.0
"""How long a live source may give no picture; its library may wait for one forever."""
_LET_GO_S = 2.0


@dataclass(frozen=True, slots=True)
class Taken:
    """One clip."""

    start_s: float
    end_s: float
    """Of its first and last frame, since the source began."""
    frames: tuple[FloatArray, ...]
    """(3, P, P) each."""


@dataclass(slots=True)
class PipelineCounts:
    """What became of the pictures."""

    taken: int = 0
    """Framed, and part of some clip or waiting to be."""
    dropped: int = 0
    """Lost because nobody took them in time; of live sources alone."""
    unchanged: int = 0
    """Clips that were skipped because nothing in them had changed."""
    left: int = 0
    """Taken, but in no clip, since one beside it was dropped or the source broke off."""


@dataclass(slots=True)
class Gate:
    """Skips clips that show what the one before showed."""

    threshold: float
    """Mean difference of a picture's parts, in deviations of its colours, below which it is the same."""
    _last: FloatArray | None = field(default=None, init=False)

    def changed(self, frames: tuple[FloatArray, ...]) -> bool:
        """Whether any frame differs from the last clip that passed."""
        seen = np.stack([coarse(frame) for frame in frames])
        if self._last is not None and np.abs(seen - self._last).mean((1, 2, 3)).max() < self.threshold:
            return False
        self._last = seen[-1]
        return True


class HeldPictureSource:
    """A source whose one picture, if it has no more, stays for as long as a clip takes."""

    def __init__(self, source: PictureSource, frames: int, fps: float) -> None:
        self.live = source.live
        self._source, self._frames, self._fps = source, frames, fps

    @property
    def damaged(self) -> int:
        """Packets so far that could not be decoded."""
        return self._source.damaged

    @property
    def jumps(self) -> int:
        """Jumps of its time stamps so far."""
        return self._source.jumps

    def __iter__(self) -> Iterator[Picture]:
        """The pictures; one alone, again and again."""
        count = 0
        for picture in self._source:
            count += 1
            yield picture
        if count == 1:
            for number in range(1, self._frames):
                yield replace(picture, at_s=number / self._fps)

    def close(self) -> None:
        """Let go of the source."""
        self._source.close()


def coarse(frame: FloatArray) -> FloatArray:
    """(3, P, P) normalised -> (3, 16, 16) means of its parts."""
    side = frame.shape[1] // _GRID * _GRID
    parts = frame[:, :side, :side].reshape(3, _GRID, side // _GRID, _GRID, side // _GRID)
    return np.asarray(parts.mean((2, 4)))


class Pipeline:
    """Clips of a source, one after the other.

    Pictures are decoded in a thread of their own. A live source never waits: when the queue is full the
    oldest picture is dropped, and the clip that it belonged to begins anew.
    """

    def __init__(
        self, source: PictureSource, framer: Framer, frames: int, fps: float, gate: Gate | None = None
    ) -> None:
        self.counts = PipelineCounts()
        self._source, self._framer, self._frames, self._fps, self._gate = source, framer, frames, fps, gate
        self._queue: deque[tuple[int, float, FloatArray]] = deque()
        self._room = threading.Condition()
        self._over = False
        self._error: BaseException | None = None

    def __iter__(self) -> Generator[Taken]:
        """The clips; the source's error, if it breaks off, after those that were whole."""
        thread = threading.Thread(target=self._fill, daemon=True)
        thread.start()
        held: list[tuple[int, float, FloatArray]] = []
        try:
            while (item := self._next()) is not None:
                if held and item[0] != held[-1][0] + 1:
                    self.counts.left += len(held)
                    held.clear()
                held.append(item)
                if len(held) == self._frames:
                    frames = tuple(frame for _, _, frame in held)
                    taken = Taken(held[0][1], held[-1][1], frames)
                    held.clear()
                    if self._gate is None or self._gate.changed(frames):
                        yield taken
                    else:
                        self.counts.unchanged += 1
        finally:
            self.stop()
            # A camera's driver may hold the thread; it lets go of the camera when it comes back.
            thread.join(_LET_GO_S if self._source.live else None)
            self.counts.left += len(held) + len(self._queue)
            error, self._error = self._error, None
        if error is not None:
            try:
                raise error
            finally:
                del error  # its traceback holds this frame: a circle, and all pictures in it

    @property
    def source(self) -> PictureSource:
        """Where its pictures come from."""
        return self._source

    def stop(self) -> None:
        """End the clips, from any thread."""
        with self._room:
            self._over = True
            self._room.notify_all()

    def _next(self) -> tuple[int, float, FloatArray] | None:
        with self._room:
            while not self._queue and not self._over:
                if not self._room.wait(_SILENT_S if self._source.live else None):
                    raise JepaError(f"It has given no picture for {_SILENT_S:.0f} s.", "Is it still there?")
            if not self._queue:
                return None
            item = self._queue.popleft()
            self._room.notify_all()
            return item

    def _fill(self) -> None:
        try:
            with closing(self._source):
                due = 0.0
                for picture in self._source:
                    if picture.at_s + 1e-6 < due:
                        continue
                    due = max(due + 1 / self._fps, picture.at_s)
                    if not self._put(picture.at_s, self._framer(picture.rgb)):
                        return
        except BaseException as error:  # raised where the clips are taken
            self._error = error
        finally:
            self.stop()

    def _put(self, at_s: float, frame: FloatArray) -> bool:
        with self._room:
            while len(self._queue) >= _QUEUE and not self._over:
                if self._source.live:
                    self._queue.popleft()
                    self.counts.dropped += 1
                else:
                    self._room.wait()
            if self._over:
                return False
            self._queue.append((self.counts.taken, at_s, frame))
            self.counts.taken += 1
            self._room.notify_all()
            return True
