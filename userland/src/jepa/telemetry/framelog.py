# SPDX-License-Identifier: Apache-2.0
"""The frame log: frames appended to files that survive a crash at any byte.

A log is a directory of segments ``00000001.frames``, oldest first. A segment is a header (magic, schema
digest, channel count, CRC-32) and records of fixed size (int64 time in ns, float32 value per channel
with NaN for absent, CRC-32), all little-endian. Each frame is written at once and unbuffered, so a
killed process loses nothing; data is synced to the disk every ``sync_s`` seconds, so a power cut loses
at most that many plus the time a sync takes.
"""

import errno
import fcntl
import os
import re
import struct
import threading
import time
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from jepa.durable import sync_folder
from jepa.errors import JepaError
from jepa.telemetry.frame import FloatArray, Frame
from jepa.telemetry.schema import Schema

_MAGIC = b"JEPAFRM1"
_HEADER = struct.Struct("<8s32sI")
_CRC = struct.Struct("<I")
_HEADER_SIZE = _HEADER.size + _CRC.size
_SEGMENT = re.compile(r"\d{8,}\.frames")
_SEGMENT_BYTES = 1 << 20
_LEAST_SEGMENTS = 8
_NO_TIME = -(1 << 63)


@dataclass(frozen=True, slots=True)
class Frames:
    """Many frames as arrays, oldest first."""

    ts_ns: npt.NDArray[np.int64]  # (T,)
    values: FloatArray  # (T, F), NaN where absent

    def __len__(self) -> int:
        return len(self.ts_ns)


class FrameLog:
    """A bounded log of frames in ``folder``, with one writer and any number of readers in its process.

    Opening takes the writer's lock, cuts off a torn tail and puts segments of another schema aside in a
    folder of their own (listed in ``set_aside``). When ``limit_bytes`` is reached the oldest segment
    goes. Raises JepaError when the folder cannot be used or has a writer already.
    """

    def __init__(self, folder: Path, schema: Schema, limit_bytes: int, sync_s: float = 15.0) -> None:
        self.folder = folder
        self.lost = 0
        """Frames that could not be written, for want of room."""
        self._width = len(schema.channels)
        self._dtype = _record_type(self._width)
        self._header = _header(schema)
        self._limit = limit_bytes
        self._segment_limit = min(_SEGMENT_BYTES, limit_bytes // _LEAST_SEGMENTS)
        if self._segment_limit < _HEADER_SIZE + self._dtype.itemsize:
            raise ValueError(f"a limit of {limit_bytes} bytes holds less than {_LEAST_SEGMENTS} frames")
        self._sync_s = sync_s
        self._synced_at = time.monotonic()
        self._syncing: threading.Thread | None = None
        self._mutex = threading.RLock()
        self._failing = False
        self._fd = -1
        self._size = 0
        self._newest: dict[Path, int] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = _take_lock(folder)
        except OSError as error:
            raise _unusable(folder, error) from error
        try:
            self.set_aside = self._set_others_aside()
            self._resume()
        except OSError as error:
            os.close(self._lock)
            raise _unusable(folder, error) from error

    @property
    def size_bytes(self) -> int:
        """Bytes in the log's segments."""
        return sum(_size(path) for path in _segments(self.folder))

    def append(self, frame: Frame) -> None:
        """Write one frame.

        When there is no room it raises JepaError for the first frame lost and stays silent, counting
        ``lost``, until a frame fits again.
        """
        if frame.values.shape != (self._width,):
            raise ValueError(f"a frame of {frame.values.shape[0]} channels in a log of {self._width}")
        record = np.zeros((), self._dtype)
        record["ts"] = frame.ts_ns
        record["values"] = np.where(frame.valid, frame.values, np.float32(np.nan))
        body = record.tobytes()[: -_CRC.size]
        with self._mutex:
            try:
                self._write(body + _CRC.pack(zlib.crc32(body)))
            except OSError as error:
                self.lost += 1
                if self._failing:
                    return
                self._failing = True
                raise _unwritable(self.folder, error) from error
            self._failing = False
            active = self._active
            self._newest[active] = max(self._newest.get(active, _NO_TIME), frame.ts_ns)
            self._sync_when_due()

    def frames(self, since_ns: int = 0, limit: int | None = None) -> list[Frame]:
        """The frames later than ``since_ns``, oldest first; the newest ``limit`` of them."""
        arrays = self.arrays(since_ns, limit)
        return [
            Frame(ts_ns=int(ts), values=values, valid=~np.isnan(values))
            for ts, values in zip(arrays.ts_ns, arrays.values, strict=True)
        ]

    def arrays(self, since_ns: int = 0, limit: int | None = None) -> Frames:
        """The same as arrays."""
        parts: list[npt.NDArray[np.void]] = []
        wanted = limit
        # The clock may have been set back, so a segment is judged by its latest frame, not by its place.
        for path in reversed(_segments(self.folder)):
            if wanted is not None and wanted <= 0:
                break
            if self._newest.get(path, since_ns + 1) <= since_ns:
                continue
            records = self._later(path, since_ns, wanted)
            if wanted is not None:
                wanted -= len(records)
            parts.append(records)
        whole = np.concatenate(parts[::-1]) if parts else np.zeros(0, self._dtype)
        return Frames(ts_ns=whole["ts"].astype(np.int64), values=whole["values"].astype(np.float32))

    def sync(self) -> None:
        """Return once everything appended so far is on the disk. Raises JepaError when it cannot be."""
        with self._mutex:
            try:
                if self._fd >= 0:
                    os.fdatasync(self._fd)
            except OSError as error:
                raise _unwritable(self.folder, error) from error

    def close(self) -> None:
        """Sync, and let another writer in. Closing twice is fine."""
        with self._mutex:
            if self._lock < 0:
                return
            if self._syncing is not None:
                self._syncing.join()
            try:
                self.sync()
            finally:
                self._leave_segment()
                os.close(self._lock)
                self._lock = -1

    def _later(self, path: Path, since_ns: int, wanted: int | None) -> "npt.NDArray[np.void]":
        """The newest ``wanted`` records of one segment later than ``since_ns``, read from its end."""
        if wanted is None:
            records = _records(path, self._dtype)
            if path != self._active:
                self._newest[path] = int(records["ts"].max(initial=_NO_TIME))
            return records[records["ts"] > since_ns]
        parts = [np.zeros(0, self._dtype)]
        end = (_size(path) - _HEADER_SIZE) // self._dtype.itemsize
        while wanted > 0 and end > 0:
            start = max(0, end - wanted)
            records = _records(path, self._dtype, start, end)
            parts.append(records[records["ts"] > since_ns])
            wanted -= len(parts[-1])
            end = start
        return np.concatenate(parts[::-1])

    def _write(self, record: bytes) -> None:
        if self._lock < 0:
            raise OSError(errno.EBADF, "the log is closed")
        if self._fd < 0 or self._size + len(record) > self._segment_limit:
            self._new_segment()
        try:
            _write_all(self._fd, record)
        except OSError:
            os.ftruncate(self._fd, self._size)
            raise
        self._size += len(record)

    def _new_segment(self) -> None:
        segments = _segments(self.folder)
        used = sum(_size(path) for path in segments)
        while segments and used + self._segment_limit > self._limit:
            oldest = segments.pop(0)
            used -= _size(oldest)
            self._newest.pop(oldest, None)
            oldest.unlink(missing_ok=True)
        self._leave_segment()
        number = int(segments[-1].stem) + 1 if segments else 1
        path = self.folder / f"{number:08d}.frames"
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            _write_all(fd, self._header)
            sync_folder(self.folder)
        except OSError:
            os.close(fd)
            path.unlink(missing_ok=True)
            raise
        self._active, self._fd, self._size = path, fd, len(self._header)

    def _leave_segment(self) -> None:
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)

    def _sync_when_due(self) -> None:
        now = time.monotonic()
        busy = self._syncing is not None and self._syncing.is_alive()
        if busy or now - self._synced_at < self._sync_s:
            return
        self._synced_at = now
        # A disk in trouble can hold a sync for seconds: just then the sampler must not wait for it.
        fd = os.dup(self._fd)
        syncing = threading.Thread(target=_sync_and_close, args=(fd,), name="frame log sync", daemon=True)
        syncing.start()
        self._syncing = syncing  # only now: Ctrl-C may come while it starts, and close waits for this one

    def _set_others_aside(self) -> tuple[Path, ...]:
        moved: list[Path] = []
        for path in _segments(self.folder):
            with path.open("rb") as file:
                header = file.read(_HEADER_SIZE)
            if header == self._header:
                continue
            if self._header.startswith(header):
                path.unlink()  # The crash came while the segment was being made: it never held a frame.
                continue
            target = self.folder / f"set-aside-{_digest_of(header)}"
            target.mkdir(exist_ok=True)
            moved.append(path.rename(_free_name(target / path.name)))
        return tuple(moved)

    def _resume(self) -> None:
        """Go on with the newest segment, cut after its last whole record."""
        segments = _segments(self.folder)
        self._active = segments[-1] if segments else self.folder
        if not segments:
            return
        self._fd = os.open(self._active, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        width = self._dtype.itemsize
        whole = (os.fstat(self._fd).st_size - _HEADER_SIZE) // width
        while whole and not _intact(os.pread(self._fd, width, _HEADER_SIZE + (whole - 1) * width)):
            whole -= 1
        self._size = _HEADER_SIZE + whole * width
        os.ftruncate(self._fd, self._size)
        self._newest[self._active] = int(_records(self._active, self._dtype)["ts"].max(initial=_NO_TIME))


def snapshot(folder: Path, schema: Schema) -> Frames:
    """The frames in the log of ``folder`` as they are now, while another process may be writing it."""
    dtype, header = _record_type(len(schema.channels)), _header(schema)
    parts = [np.zeros(0, dtype)]
    for path in _segments(folder):
        try:
            with path.open("rb") as file:
                ours = file.read(_HEADER_SIZE) == header
        except FileNotFoundError:
            continue  # it has just been rotated away
        if ours:
            parts.append(_records(path, dtype))
    whole = np.concatenate(parts)
    return Frames(ts_ns=whole["ts"].astype(np.int64), values=whole["values"].astype(np.float32))


def _record_type(width: int) -> "np.dtype[np.void]":
    return np.dtype([("ts", "<i8"), ("values", "<f4", (width,)), ("crc", "<u4")])


def _header(schema: Schema) -> bytes:
    body = _HEADER.pack(_MAGIC, bytes.fromhex(schema.digest), len(schema.channels))
    return body + _CRC.pack(zlib.crc32(body))


def _digest_of(header: bytes) -> str:
    if len(header) == _HEADER_SIZE and _intact(header):
        magic, digest, _ = _HEADER.unpack(header[: _HEADER.size])
        if magic == _MAGIC:
            return str(digest.hex()[:12])
    return "unreadable"


def _free_name(path: Path) -> Path:
    number = 0
    name = path
    while name.exists():
        number += 1
        name = path.with_name(f"{path.name}.{number}")
    return name


def _intact(record: bytes) -> bool:
    return record[-_CRC.size :] == _CRC.pack(zlib.crc32(record[: -_CRC.size]))


def _segments(folder: Path) -> list[Path]:
    try:
        found = [path for path in folder.iterdir() if _SEGMENT.fullmatch(path.name)]
    except FileNotFoundError:
        return []
    return sorted(found, key=lambda path: int(path.stem))


def _records(
    path: Path, dtype: "np.dtype[np.void]", start: int = 0, end: int | None = None
) -> "npt.NDArray[np.void]":
    """The intact records ``start`` to ``end`` of one segment; none when it has just been rotated away."""
    width = dtype.itemsize
    try:
        with path.open("rb") as file:
            file.seek(_HEADER_SIZE + start * width)
            content = file.read(-1 if end is None else (end - start) * width)
    except FileNotFoundError:
        content = b""
    whole = len(content) // width
    intact = [_intact(content[place : place + width]) for place in range(0, whole * width, width)]
    return np.frombuffer(content, dtype, count=whole)[np.array(intact, np.bool_)]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _write_all(fd: int, content: bytes) -> None:
    while content:
        content = content[os.write(fd, content) :]


def _sync_and_close(fd: int) -> None:
    try:
        os.fdatasync(fd)
    except OSError:
        pass  # The next append meets the same trouble and reports it.
    finally:
        os.close(fd)


def _take_lock(folder: Path) -> int:
    fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        raise JepaError(
            f"Another process is writing the frame log {folder}.",
            "Stop it (`systemctl stop jepad`), or choose another directory.",
            status=409,
        ) from None
    return fd


def _unusable(folder: Path, error: OSError) -> JepaError:
    reason = os.strerror(error.errno) if error.errno else str(error)
    return JepaError(
        f"The frame log {folder} cannot be opened: {reason}.",
        "Make the directory writable for this user, or choose another one.",
    )


def _unwritable(folder: Path, error: OSError) -> JepaError:
    reason = os.strerror(error.errno) if error.errno else str(error)
    return JepaError(
        f"Frames are not being kept, since {folder} cannot be written: {reason}.",
        "Free some space there; the log then goes on by itself.",
        status=507,
    )
