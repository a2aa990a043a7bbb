# SPDX-License-Identifier: Apache-2.0
"""The folder in which a machine keeps its parts until they are sent, and beside them what was sent.

A recording is one part, its folder named after the time it began. `.fleet` has the machine's key, a lock,
what was sent of each of the last days (with the names that were taken out of it), how many parts were lost,
and those that could not be sent.
"""

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from jepa.durable import PRIVATE, replace_file
from jepa.errors import JepaError
from jepa.fleet.manifest import StoredRecording
from jepa.telemetry.recording import read_meta

KEEP_DAYS: Final = 60
"""A part older than that comes too late: its day's manifest is not kept any longer."""
_STATE: Final = ".fleet"
_PARTS: Final = TypeAdapter(list[StoredRecording])


@dataclass(slots=True)
class Sent:
    """What was sent of one day."""

    parts: dict[str, StoredRecording] = field(default_factory=dict)
    table: dict[str, str] = field(default_factory=dict)
    """The names taken out."""


class Spool:
    """Recordings below ``folder``, which is made when it is missing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / _STATE
        try:
            self.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise unusable(folder, error) from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """While one process sends from here; JepaError (409) when another does."""
        fd = os.open(self.state / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise JepaError(
                f"Another process is sending what is in {self.folder}.", "Let it end.", status=409
            ) from None
        finally:
            os.close(fd)

    def name(self, at_ns: int) -> Path:
        """The folder of a part that begins now, which is not there yet."""
        began = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at_ns // 10**9))
        folder, number = self.folder / began, 1
        while folder.exists():  # the clock was set back
            folder, number = self.folder / f"{began}.{number}", number + 1
        return folder

    def waiting(self) -> list[Path]:
        """The finished recordings, the oldest first."""
        return [folder for folder in self._recordings() if _is_finished(folder)]

    def interrupted(self) -> list[Path]:
        """Those that are not finished: broken off, or being recorded."""
        return [folder for folder in self._recordings() if not _is_finished(folder)]

    def trim(self, limit_bytes: int) -> int:
        """Drop the oldest finished ones until all take no more than ``limit_bytes``; answers how many."""
        sizes = {folder: _bytes_below(folder) for folder in self.waiting()}
        total = sum(sizes.values())
        dropped = 0
        for folder, size in sizes.items():
            if total <= limit_bytes:
                break
            shutil.rmtree(folder, ignore_errors=True)
            total -= size
            dropped += 1
        if dropped:
            self._write("lost", str(self.lost + dropped))
        return dropped

    @property
    def lost(self) -> int:
        """Recordings dropped so far because they could not be sent in time."""
        try:
            return int((self.state / "lost").read_text())
        except (OSError, ValueError):
            return 0

    def refuse(self, folder: Path) -> None:
        """Put a recording aside that can never be sent."""
        aside = self.state / "refused"
        aside.mkdir(exist_ok=True)
        target, number = aside / folder.name, 1
        while target.exists():
            target, number = aside / f"{folder.name}.{number}", number + 1
        folder.rename(target)

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """An empty folder for the files of one part."""
        folder = self.state / "staging"
        shutil.rmtree(folder, ignore_errors=True)
        try:
            folder.mkdir(mode=0o700)
        except OSError as error:
            raise unusable(self.folder, error) from error
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def sent(self, day: str) -> Sent:
        """What was sent of ``day``; JepaError when that cannot be read, since it would be sent twice."""
        file = self.state / f"{day}.json"
        try:
            content = json.loads(file.read_text())
            parts = _PARTS.validate_json(json.dumps(content["parts"]))
            return Sent({part.name: part for part in parts}, dict(content["table"]))
        except FileNotFoundError:
            return Sent()
        except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
            raise JepaError(
                f"{file}, which says what was sent, cannot be read: {type(error).__name__}.",
                "Remove it; the manifest of that day then begins anew.",
            ) from error

    def keep(self, day: str, sent: Sent) -> None:
        """Remember what was sent of ``day``, and forget what is too old."""
        content = {
            "parts": _PARTS.dump_python(list(sent.parts.values()), mode="json"),
            "table": sent.table,
        }
        self._write(f"{day}.json", json.dumps(content))
        for old in sorted(self.state.glob("????-??-??.json"))[:-KEEP_DAYS]:
            old.unlink(missing_ok=True)

    def _write(self, name: str, content: str) -> None:
        try:
            replace_file(self.state / name, content, PRIVATE)
        except OSError as error:
            raise unusable(self.folder, error) from error

    def _recordings(self) -> list[Path]:
        return sorted(path.parent for path in self.folder.glob("[!.]*/meta.json"))


def unusable(folder: Path, error: OSError) -> JepaError:
    """What is said when ``folder`` cannot be written."""
    return JepaError(
        f"Parts for the store cannot be kept in {folder}: {error.strerror or error}.",
        "Free some space there, or make it writable for this user.",
        status=507,
    )


def _is_finished(folder: Path) -> bool:
    try:
        return read_meta(folder).finished
    except JepaError:
        return False


def _bytes_below(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("*") if file.is_file())
