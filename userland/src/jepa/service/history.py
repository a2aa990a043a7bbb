# SPDX-License-Identifier: Apache-2.0
"""The frame log as a part that may fail without stopping the rest."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from jepa.errors import JepaError
from jepa.service.api import Part
from jepa.telemetry.frame import Frame
from jepa.telemetry.schema import Schema

LIMIT_BYTES = 64 * 2**20
"""Bound of the log on disk."""
MAX_GAP_S = 120.0
"""Frames on either side of a longer gap are not one context: a restart takes seconds, a reboot more."""


class FrameWriter(Protocol):
    """What the history needs of a FrameLog."""

    lost: int
    """Frames that could not be written."""

    @property
    def size_bytes(self) -> int:
        """Bytes on disk."""

    def append(self, frame: Frame) -> None:
        """Write one frame; JepaError for the first one lost, then silent until one fits again."""

    def frames(self, since_ns: int = 0, limit: int | None = None) -> list[Frame]:
        """The newest ``limit`` frames after ``since_ns``, oldest first."""

    def close(self) -> None:
        """Write what is left."""


class History:
    """Appends frames to a log; says why when it cannot, and goes on trying."""

    def __init__(
        self, log: FrameWriter | None, *, limit_bytes: int = LIMIT_BYTES, fault: JepaError | None = None
    ) -> None:
        self._log = log
        self._fault = fault
        self.limit_bytes = limit_bytes

    @classmethod
    def open(cls, directory: Path, schema: Schema, limit_bytes: int = LIMIT_BYTES) -> "History":
        """The log in ``directory``, created when missing; a history with a fault when that is impossible.

        JepaError (409) when another process writes there.
        """
        from jepa.telemetry.framelog import FrameLog

        try:
            return cls(FrameLog(directory, schema, limit_bytes), limit_bytes=limit_bytes)
        except JepaError as fault:
            if fault.status == 409:
                raise
            return cls(None, limit_bytes=limit_bytes, fault=fault)

    def append(self, frame: Frame) -> None:
        """Write one frame if at all possible."""
        if self._log is None:
            return
        lost = self._log.lost
        try:
            self._log.append(frame)
        except JepaError as fault:
            self._fault = fault
        except (OSError, ValueError) as error:
            self._fault = _fault(error)
        else:
            if self._log.lost == lost:
                self._fault = None

    def tail(self, count: int) -> list[Frame]:
        """The newest ``count`` frames on disk, oldest first; none when they cannot be read."""
        if self._log is None:
            return []
        try:
            return self._log.frames(limit=count)
        except JepaError as fault:
            self._fault = fault
        except (OSError, ValueError) as error:
            self._fault = _fault(error)
        return []

    @property
    def size_mib(self) -> float:
        """What the log takes on disk."""
        return self._log.size_bytes / 2**20 if self._log else 0.0

    def part(self) -> Part:
        """The state of the history."""
        if self._fault is not None:
            return Part(
                name="history", state="degraded", reason=self._fault.problem, remedy=self._fault.remedy
            )
        if self._log is None:
            return Part(name="history", state="off", reason="Frames are kept in memory only.")
        return Part(name="history", state="ok")

    def close(self) -> None:
        """Close the log; what it cannot write then is lost with the process."""
        if self._log is None:
            return
        try:
            self._log.close()
        except (JepaError, OSError) as error:
            self._fault = error if isinstance(error, JepaError) else _fault(error)


def contiguous_tail(frames: Sequence[Frame], max_gap_s: float = MAX_GAP_S) -> list[Frame]:
    """The newest frames with no gap, and no jump of the clock, of more than ``max_gap_s`` between them."""
    start = len(frames) - 1
    while start > 0 and abs(frames[start].ts_ns - frames[start - 1].ts_ns) <= max_gap_s * 1e9:
        start -= 1
    return list(frames[max(start, 0) :])


def _fault(error: Exception) -> JepaError:
    return JepaError(
        f"The history cannot be kept: {error}.",
        "Frames go on in memory; free space or fix the directory's owner.",
    )
