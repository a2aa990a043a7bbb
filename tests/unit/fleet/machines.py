# SPDX-License-Identifier: Apache-2.0
"""Machines of a fleet for its tests: each with a spool and recordings in it."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from jepa.fleet.keys import FleetKey, OwnerKey, make_keys, read_owner_key
from jepa.fleet.spool import Spool
from jepa.fleet.store import Store
from jepa.fleet.upload import Uploader
from jepa.telemetry.events.event import Event
from jepa.telemetry.recording import LISTENED, Recording, describe_host, save
from jepa.telemetry.schema import Schema, load_schema

SCHEMA = load_schema()
NOON_NS = 1795953600 * 10**9
"""2026-11-29 12:00 UTC."""
UNIT, PERSON = "secret-project.service", "killed process 7 of user alice"


class Clock:
    """A clock that passes only while somebody sleeps."""

    def __init__(self, now_ns: int = NOON_NS + 3600 * 10**9) -> None:
        self.now_ns = now_ns
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now_ns / 1e9

    def wall_ns(self) -> int:
        return self.now_ns

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_ns += int(seconds * 1e9)


def a_recording(
    start_ns: int = NOON_NS, seconds: int = 20, seed: int = 1, schema: Schema = SCHEMA
) -> Recording:
    rng = np.random.default_rng(seed)
    values = rng.uniform(0, 1, (seconds, len(schema.names))).astype(np.float32)
    values[:, 3] = np.nan
    ts_ns = start_ns + np.arange(seconds, dtype=np.int64) * 10**9
    meta = replace(
        describe_host(schema, labels={LISTENED: True, "who": "alice"}),
        start_ns=start_ns,
        seconds=float(seconds - 1),
        frames=seconds,
        missed=0,
        sources=[{"name": "cpu", "ok": False, "channels": 1, "of": 2, "reason": "/home/alice is away"}],
        finished=True,
    )
    events = (Event(start_ns + 10**9, "oom_kill", UNIT, PERSON, "error", "kmsg"),)
    return Recording(schema, ts_ns, values, (), events, meta)


def put(spool: Spool, recording: Recording) -> Path:
    """``recording`` as a finished one in ``spool``."""
    folder = spool.name(int(recording.ts_ns[0]))
    folder.mkdir()
    save(folder, recording)
    return folder


def owner_in(folder: Path) -> OwnerKey:
    """The owner of a new fleet, whose files are in ``folder``."""
    make_keys(folder)
    return read_owner_key(folder / "owner.key")


def store_in(folder: Path) -> Store:
    folder.mkdir(exist_ok=True)
    return Store(folder.as_uri())


def uploader(
    spool: Spool, store: Store, key: FleetKey, clock: Clock | None = None, rate: float = 1e9
) -> Uploader:
    return Uploader(spool, store, key, SCHEMA, rate, clock=clock or Clock())


@contextmanager
def nobody(folder: Path) -> Iterator[None]:
    """While this process is nobody, to whom ``folder`` belongs: root may read and write everywhere."""
    if os.geteuid():
        yield
        return
    temporary = Path(tempfile.gettempdir())
    for each in (folder, *folder.parents):
        if temporary in each.parents:
            each.chmod(each.stat().st_mode | 0o011)  # to be passed through, whose names pytest chooses
    os.chown(folder, 65534, 65534)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
