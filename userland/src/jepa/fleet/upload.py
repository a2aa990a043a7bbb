# SPDX-License-Identifier: Apache-2.0
"""Sends what a machine has recorded to its owner's store: each part once, whole, no faster than allowed.

A part is done in steps of which each may be repeated: its files are written (its name has a hash of them,
so what is there already with its size is not sent again), it is noted as sent, the manifest of its day is
written, and only then the recording is deleted here. Whatever breaks off goes on from there at the next run.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from jepa.errors import JepaError
from jepa.fleet.identity import Identity, identity_in
from jepa.fleet.keys import FleetKey
from jepa.fleet.manifest import FILES, MOST_PARTS, StoredRecording, signed
from jepa.fleet.names import Names
from jepa.fleet.part import make_part
from jepa.fleet.spool import KEEP_DAYS, Sent, Spool
from jepa.fleet.store import Store, patiently
from jepa.telemetry.clocks import Clock, SystemClock
from jepa.telemetry.schema import Schema

HOSTS: Final = "hosts"
"""The folder of a store below which each machine has one."""
_DAY_NS: Final = 86_400 * 10**9
_NO_ROOM: Final = 507


@dataclass(slots=True)
class Report:
    """What one run came to."""

    sent: list[str] = field(default_factory=list)
    sent_bytes: int = 0
    waiting: int = 0
    """Finished recordings that are still here."""
    lost: int = 0
    """Dropped so far, since there was no room until they could be sent."""
    refused: list[str] = field(default_factory=list)
    """What can never be sent and was put aside, and why."""
    fault: str | None = None
    """Why it ended before everything was sent."""


def manifest_path(host: str, day: str) -> str:
    """Where in a store the manifest of ``host`` and ``day`` is."""
    return f"{HOSTS}/{host}/{day}.manifest"


def part_path(host: str, part: str, file: str) -> str:
    """Where in a store a file of ``part`` is."""
    return f"{HOSTS}/{host}/{part}/{file}"


class Uploader:
    """Sends the finished recordings in ``spool``, at most ``bytes_per_s`` on average."""

    def __init__(
        self,
        spool: Spool,
        store: Store,
        key: FleetKey,
        schema: Schema,
        bytes_per_s: float,
        *,
        clock: Clock | None = None,
    ) -> None:
        self._spool, self._store, self._key, self._schema = spool, store, key, schema
        self._bytes_per_s = bytes_per_s
        self._clock = clock or SystemClock()

    def run(self) -> Report:
        """Send all that is finished, and say what came of it. JepaError when another process does so now."""
        report = Report()
        with self._spool.locked():
            try:
                self._run(identity_in(self._spool.state), report)
            except JepaError as error:
                report.fault = str(error)
        report.waiting, report.lost = len(self._spool.waiting()), self._spool.lost
        return report

    def _run(self, identity: Identity, report: Report) -> None:
        done: dict[str, list[Path]] = {}
        try:
            for folder in self._spool.waiting():
                day = self._send(folder, identity, report)
                if day is not None:
                    done.setdefault(day, []).append(folder)
        finally:  # what was sent until a fault counts
            for day, folders in done.items():
                self._publish(identity, day)
                for folder in folders:
                    _remove(folder)

    def _send(self, folder: Path, identity: Identity, report: Report) -> str | None:
        """Write the files of one part and note it; answers its day, None when it was refused."""
        with self._spool.staging() as staging:
            names = Names(self._key)
            try:
                part = make_part(folder, self._schema, names, staging)
                self._check_age(part)
                sent = self._spool.sent(part.day)
                if len(sent.parts) >= MOST_PARTS:
                    raise JepaError(f"{part.day} has {MOST_PARTS} parts already.", "")
            except (JepaError, ValueError, TypeError, KeyError) as error:  # whatever is in its files
                if isinstance(error, JepaError) and error.status == _NO_ROOM:
                    raise
                if folder.exists():  # else it was dropped meanwhile, to have room
                    self._spool.refuse(folder)
                    report.refused.append(f"{folder.name}: {error}")
                return None
            if any(each.content == part.content for each in sent.parts.values()):
                return part.day  # before a crash, or it was copied
            for name in FILES:
                self._write(part_path(identity.host, part.name, name), (staging / name).read_bytes(), report)
        self._spool.keep(part.day, Sent(sent.parts | {part.name: part}, sent.table | names.table))
        report.sent.append(part.name)
        return part.day

    def _write(self, path: str, content: bytes, report: Report) -> None:
        if patiently(lambda: self._store.size(path), self._clock) == len(content):
            return
        began = self._clock.monotonic()
        patiently(lambda: self._store.write(path, content), self._clock)
        report.sent_bytes += len(content)
        took = self._clock.monotonic() - began
        self._clock.sleep(max(0.0, len(content) / self._bytes_per_s - took))

    def _publish(self, identity: Identity, day: str) -> None:
        sent = self._spool.sent(day)
        manifest = signed(
            identity,
            self._key,
            day=day,
            parts=tuple(sent.parts[name] for name in sorted(sent.parts)),
            table=sent.table,
            lost=self._spool.lost,
            sent_ns=self._clock.wall_ns(),
        )
        path = manifest_path(identity.host, day)
        patiently(lambda: self._store.write(path, manifest), self._clock)

    def _check_age(self, part: StoredRecording) -> None:
        if part.start_ns < self._clock.wall_ns() - KEEP_DAYS * _DAY_NS:
            raise JepaError(f"It is older than {KEEP_DAYS} days.", "")


def _remove(folder: Path) -> None:
    """Delete a recording so that a crash in the middle leaves none that would be taken for another."""
    (folder / "meta.json").unlink(missing_ok=True)
    for file in folder.glob("*"):
        file.unlink(missing_ok=True)
    folder.rmdir()
