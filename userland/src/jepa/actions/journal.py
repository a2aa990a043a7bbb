# SPDX-License-Identifier: Apache-2.0
"""The journal: what is to be changed is on the disk before it is changed, and what came of it afterwards.

A row holds the changes that something new is known of, whole at first, then only the fields that differ.
Files are ``changes-00000001.log`` and so on in the rules of ``jepa.telemetry.linelog``; the chain of
hashes (``jepa.actions.chain``) goes on from one to the next. A new file begins with all changes in force, so
that the newest alone says what the machine holds. One process at a time writes.
"""

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from jepa.actions.chain import START, ChainFile, hash_of, last_hash, read_chain
from jepa.actions.change import Change
from jepa.durable import sync_folder
from jepa.errors import JepaError
from jepa.telemetry.linelog import LineLog

ROTATE_BYTES: Final = 4 << 20
ARCHIVES: Final = 4
"""Earlier files that are kept."""
CLOSED_KEPT: Final = 500
"""Changes no longer in force that a new file begins with."""
ROW_BYTES: Final = 16384
"""Reserved for what may still have to be written about one change in force."""
_VERSION: Final = 1
_FRESH: Final = "changes.new"

Publish = Callable[[Change, str], None]
"""Told of each new state of a change and the hash of its row, once that is on the disk."""


@dataclass(slots=True)
class Contents:
    """What a journal holds."""

    changes: dict[str, Change] = field(default_factory=dict)
    """By id, oldest first."""
    head: str = START
    """The hash of the newest row."""
    damage: str = ""
    """What is wrong with it, in one sentence; empty when nothing is."""


def files(directory: Path) -> list[Path]:
    """The files of the journal in ``directory``, oldest first."""
    return sorted(directory.glob("changes-*.log"))


def load(directory: Path) -> Contents:
    """What can be read now, also while another process writes; nothing where there is no journal."""
    return _load(files(directory))[0]


def set_aside(directory: Path) -> list[Change]:
    """Rename a damaged journal, so that a new one begins; the changes that it still shows as in force.

    Nothing takes those back any more. JepaError (409) while a process has the journal open.
    """
    with _lock(directory, 0.0):
        contents = load(directory)
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        for path in files(directory):
            path.rename(path.with_name(f"damaged-{stamp}-{path.name}"))
        sync_folder(directory)
    return [change for change in contents.changes.values() if change.in_force]


class Journal:
    """Changes, in memory and on the disk. All methods may be called by several threads at once."""

    def __init__(
        self,
        directory: Path,
        publish: Publish | None = None,
        *,
        wait_s: float = 10.0,
        rotate_bytes: int = ROTATE_BYTES,
    ) -> None:
        """Open or begin the journal. JepaError: another process has it (409), the directory cannot be used.

        A damaged journal opens, shows what can be read, and records nothing (``damage`` says why).
        """
        self.directory = directory
        self._publish = publish
        self._rotate_bytes = rotate_bytes
        self._mutex = threading.RLock()
        self._log: LineLog | None = None
        self._begun_bytes = 0
        with contextlib.ExitStack() as opened:
            try:
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                opened.enter_context(_lock(directory, wait_s))
                self._contents, newest = _load(files(directory))
                if not self._contents.damage:
                    self._open(newest)
            except OSError as error:
                raise _unusable(directory, error) from error
            self._opened = opened.pop_all()

    @property
    def head(self) -> str:
        """The hash of the newest row."""
        return self._contents.head

    @property
    def damage(self) -> str:
        """Why nothing can be recorded any more; empty when it can."""
        return self._contents.damage

    @property
    def changes(self) -> list[Change]:
        """The changes of the newest file, oldest first: all that are in force are among them."""
        with self._mutex:
            return list(self._contents.changes.values())

    @property
    def in_force(self) -> list[Change]:
        """The changes that the machine may hold, oldest first."""
        return [change for change in self.changes if change.in_force]

    def get(self, change_id: str) -> Change:
        """One change; JepaError (404) when it is not known."""
        with self._mutex:
            if (found := self._contents.changes.get(change_id)) is not None:
                return found
        raise JepaError(
            f"There is no change {change_id[:40]!r}.", "`jepa history` lists them by id.", status=404
        )

    def history(self, limit: int) -> list[Change]:
        """The newest ``limit`` changes, newest first; earlier files are read as far as needed."""
        newest_first = self.changes[::-1]
        if len(newest_first) < limit and len(files(self.directory)) > 1:
            every = Contents()
            for path in files(self.directory):
                with contextlib.suppress(OSError):
                    _apply_rows(every, read_chain(path))
            newest_first = list(every.changes.values())[::-1]
        return newest_first[:limit]

    def reserve(self) -> None:
        """Have room on the disk for one more change and for what comes of all that are in force.

        JepaError (507) when there is none, before anything was changed. Also begins a new file when it is
        time.
        """
        with self._mutex:
            log = self._writable()
            try:
                if log.size_bytes > max(self._rotate_bytes, 2 * self._begun_bytes):
                    log = self._rotate()
                log.reserve(self._outcomes_bytes())
            except OSError as error:
                raise JepaError(
                    f"Nothing was changed: the journal in {self.directory} has no room ({error.strerror}).",
                    "Free some space there, then try again.",
                    status=507,
                ) from error

    def check(self) -> None:
        """JepaError (500) when nothing can be recorded. To end changes no more is needed than this."""
        self._writable()

    def record(self, *changes: Change) -> None:
        """Write what is new of ``changes`` in one row, and return once it is on the disk.

        JepaError: there was no room, and nothing was written (507); or the disk failed (500), and the
        journal is as good as damaged until it is opened again, since nobody knows what of the row will be
        found then.
        """
        with self._mutex:
            log = self._writable()
            known = self._contents.changes
            told = [_difference(known.get(each.id), each) for each in changes]
            try:
                line = log.append({"prev": self.head, **_row(told)})
            except OSError as error:
                raise JepaError(
                    f"The journal in {self.directory} cannot be written: {error.strerror}.",
                    "Free some space there, then try again.",
                    status=507,
                ) from error
            try:
                log.sync()
            except OSError as error:
                self._contents.damage = f"a row could not be written ({error.strerror})"
                raise self._damaged() from error
            self._contents.head = hash_of(line)
            known.update({each.id: each for each in changes})
            if self._publish is not None:
                for each in changes:
                    with contextlib.suppress(
                        OSError
                    ):  # the row is on the disk, whoever cannot be told of it
                        self._publish(each, self.head)

    def close(self) -> None:
        """Let another process have it; closing twice is fine."""
        with self._mutex:
            if self._log is not None:
                log, self._log = self._log, None
                with contextlib.suppress(OSError):
                    log.close()
            self._opened.close()

    def _open(self, newest: ChainFile | None) -> None:
        existing = files(self.directory)
        (self.directory / _FRESH).unlink(missing_ok=True)
        if newest is None:
            self._begin(1)
            return
        if existing[-1].stat().st_size > newest.size_bytes:
            os.truncate(existing[-1], newest.size_bytes)  # a row that was torn was never acknowledged
        self._log = LineLog(existing[-1])
        self._log.sync()

    def _begin(self, number: int) -> LineLog:
        """Begin a file with what is in force and the newest of the rest; it appears whole or not at all."""
        closed = [change for change in self.changes if not change.in_force]
        dropped = {change.id for change in closed[: max(0, len(closed) - CLOSED_KEPT)]}
        kept = {each.id: each for each in self.changes if each.id not in dropped}
        fresh = self.directory / _FRESH
        rows = [{**_row([]), "version": _VERSION, "file": number}]
        rows += [_row([each.as_dict()]) for each in kept.values()]
        fresh.unlink(missing_ok=True)
        with contextlib.closing(LineLog(fresh)) as log:
            head = self.head
            for row in rows:
                head = hash_of(log.append({"prev": head, **row}))
            log.reserve(self._outcomes_bytes())
        path = self.directory / f"changes-{number:08d}.log"
        fresh.rename(path)
        sync_folder(self.directory)
        if number == 1:
            for folder in self.directory.parents:  # they may be as new as what is in them
                with contextlib.suppress(PermissionError):
                    sync_folder(folder)
        log = LineLog(path)
        self._contents = Contents(kept, head)
        self._log = log
        self._begun_bytes = log.size_bytes
        return log

    def _rotate(self) -> LineLog:
        existing = files(self.directory)
        earlier = self._log
        log = self._begin(_number(existing[-1]) + 1)
        if earlier is not None:
            os.truncate(existing[-1], earlier.size_bytes)  # gives back what was reserved
            earlier.close()
        for path in existing[:-ARCHIVES]:
            path.unlink()
        return log

    def _outcomes_bytes(self) -> int:
        return ROW_BYTES * (2 + len(self.in_force))

    def _writable(self) -> LineLog:
        if self.damage or self._log is None:
            raise self._damaged()
        return self._log

    def _damaged(self) -> JepaError:
        return JepaError(
            f"Nothing is changed any more, since the journal in {self.directory} is damaged: {self.damage}.",
            "See what is in force with `jepa history`, take it back by hand, then run "
            "`jepa-actuator --set-aside` to begin a new journal.",
        )


def _load(paths: list[Path]) -> tuple[Contents, ChainFile | None]:
    contents = Contents()
    if not paths:
        return contents, None
    newest = read_chain(paths[-1])
    contents.head = newest.head
    _apply_rows(contents, newest)
    damage = newest.damage
    header = newest.rows[0] if newest.rows else {}
    if not damage and header.get("version") != _VERSION:
        damage = "its first line is not one of this version of JEPA OS"
    if not damage and len(paths) > 1 and header["prev"] != last_hash(paths[-2]):
        damage = f"it does not follow {paths[-2].name}"
    if damage or contents.damage:
        contents.damage = f"{paths[-1].name}: {damage or contents.damage}"
    return contents, newest


def _apply_rows(contents: Contents, chain: ChainFile) -> None:
    for row in chain.rows:
        for told in row.get("changes", []):
            try:
                before = contents.changes.get(told["id"])
                whole = told if before is None else {**before.as_dict(), **told}
                contents.changes[told["id"]] = Change.from_dict(whole)
            except (KeyError, TypeError, ValueError):
                contents.damage = contents.damage or "a row is not what this version of JEPA OS writes"


def _row(told: list[dict[str, Any]]) -> dict[str, Any]:
    return {"ts_ns": time.time_ns(), "changes": told}


def _difference(before: Change | None, after: Change) -> dict[str, Any]:
    if before is None:
        return after.as_dict()
    old = before.as_dict()
    return {key: value for key, value in after.as_dict().items() if key == "id" or old[key] != value}


def _number(path: Path) -> int:
    return int(path.stem.rpartition("-")[2])


@contextlib.contextmanager
def _lock(directory: Path, wait_s: float) -> Iterator[None]:
    """Hold the directory's lock; JepaError (409) when another process keeps it for ``wait_s``."""
    fd = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise _busy(directory, fd) from None
                time.sleep(0.02)
        with contextlib.suppress(OSError):  # a full disk has no room for a name either
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(fd)


def _busy(directory: Path, fd: int) -> JepaError:
    holder = os.pread(fd, 32, 0).decode("ascii", "replace").strip()
    return JepaError(
        f"Another process{f' ({holder})' if holder else ''} has the journal in {directory} open.",
        "Wait until it is done, or leave out --local where the actuator runs.",
        status=409,
    )


def _unusable(directory: Path, error: OSError) -> JepaError:
    return JepaError(
        f"Nothing can be changed, since the journal in {directory} cannot be opened: {error.strerror}.",
        "Free some space there, or act as a user who may write there.",
        status=507 if error.errno == 28 else 403 if isinstance(error, PermissionError) else 500,
    )
