# SPDX-License-Identifier: Apache-2.0
"""Space and inodes used on the file systems that a machine must not fill."""

import errno
import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from queue import Empty, SimpleQueue
from threading import Thread

from jepa.telemetry.sources.base import KernelFile, Reading, why

_PLACES = (PurePosixPath("/"), PurePosixPath("/var"))
_PATIENCE_S = 0.2
"""A frame waits no longer for the answer, and after that not at all until it has come."""
Answer = os.statvfs_result | OSError


def used_percent(space: os.statvfs_result) -> float | None:
    """Percent used of what programs may use, of space or inodes, whichever is fuller; None without any."""
    shares = [
        100 * used / (used + available)
        for used, available in (
            (space.f_blocks - space.f_bfree, space.f_bavail),
            (space.f_files - space.f_ffree, space.f_favail),
        )
        if used + available > 0
    ]
    return max(shares, default=None)


class SpaceReader:
    """Asks file systems for their space in a thread of its own, since one may never answer.

    A network file system without its server holds whoever asks until it is back. Then the one thread waits,
    and nobody asks again meanwhile. The thread starts at the first question, so that it has no more
    privileges than the process kept.
    """

    def __init__(self, places: Sequence[Path]) -> None:
        self._places = places
        self._questions: SimpleQueue[bool] = SimpleQueue()
        self._answers: SimpleQueue[list[Answer]] = SimpleQueue()
        self._thread: Thread | None = None
        self._waiting = False
        self._at = places[0]

    def ask(self) -> list[Answer]:
        """Space of each place, or why it is unknown. Raises TimeoutError when one does not answer."""
        if self._thread is None:
            self._thread = Thread(target=self._serve, name="statvfs", daemon=True)
            self._thread.start()
        if self._waiting and self._answers.empty():
            raise self._late()
        if self._waiting:
            self._answers.get()  # it came too late, and nobody knows for which second
        self._questions.put(True)
        self._waiting = True
        try:
            answers = self._answers.get(timeout=_PATIENCE_S)
        except Empty:
            raise self._late() from None
        self._waiting = False
        return answers

    def close(self) -> None:
        """Let the thread end, once it can."""
        self._questions.put(False)
        self._thread = None

    def _late(self) -> TimeoutError:
        return TimeoutError(errno.ETIMEDOUT, "the file system does not answer", str(self._at))

    def _serve(self) -> None:
        while self._questions.get():
            self._answers.put([self._space(place) for place in self._places])

    def _space(self, place: Path) -> Answer:
        self._at = place
        try:
            return os.statvfs(place)
        except OSError as error:
            return error


def is_read_only(mountinfo: bytes, place: PurePosixPath) -> bool | None:
    """Whether the file system that holds ``place`` can be written by anyone, from /proc/self/mountinfo.

    A sandbox mounts file systems read-only for itself alone; the options of the file system, at the end of
    the line, tell what holds for the machine. None when no line fits.
    """
    holders = {place, *place.parents}
    nearest, answer = 0, None
    for line in mountinfo.splitlines():
        mount, dash, rest = line.partition(b" - ")
        fields, options = mount.split(), rest.split()
        if not dash or len(fields) < 5 or len(options) < 3:
            continue
        point = PurePosixPath(os.fsdecode(fields[4]))
        # Of mounts on the same point the last one covers the others.
        if point in holders and len(point.parts) >= nearest:
            nearest, answer = len(point.parts), b"ro" in options[2].split(b",")
    return answer


class FilesystemSource:
    """Asks the file systems of / and /var below ``root``."""

    name = "filesystem"

    def __init__(self, root: Path) -> None:
        self._mounts = KernelFile(root / "proc/self/mountinfo")
        self._paths = [root / place.relative_to("/") for place in _PLACES]
        self._reader = SpaceReader(self._paths)

    def read(self, now: float) -> Reading:
        """The share used of the fuller one that can be written."""
        try:
            answers = self._reader.ask()
        except TimeoutError as error:
            return Reading({}, f"{error.filename}: {error.strerror}")
        shares: list[float] = []
        reasons: list[str] = []
        for place, path, space in zip(_PLACES, self._paths, answers, strict=True):
            if isinstance(space, OSError):
                reasons.append(why(path, space))
                continue
            share = used_percent(space)
            if share is not None and not (space.f_flag & os.ST_RDONLY and self._is_read_only(place)):
                shares.append(share)
        if not shares:
            return Reading({}, "; ".join(reasons) or "/ and /var are read-only or have no size")
        return Reading({"system.filesystem.utilization": max(shares)}, "; ".join(reasons))

    def close(self) -> None:
        """Close the file, and end the thread that asks."""
        self._mounts.close()
        self._reader.close()

    def _is_read_only(self, place: PurePosixPath) -> bool:
        try:
            return is_read_only(self._mounts.read(), place) is not False
        except OSError:
            return True
