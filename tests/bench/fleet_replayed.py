# SPDX-License-Identifier: Apache-2.0
"""A store of a fleet that is replayed: machines whose hours are real recordings, shifted and mixed.

Each part is some of the recordings in this tree, laid one after the other in an order of the machine's own,
each begun somewhere else in it. No frame is altered, and none is made up. Parts, names and manifests are
made as `jepa-upload` makes them; only the waiting between hours is left out.

Usage: python -m tests.bench.fleet_replayed DIR HOSTS PARTS FRAMES
"""

import random
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from jepa.fleet.identity import identity_in
from jepa.fleet.keys import OwnerKey, make_keys, read_owner_key
from jepa.fleet.manifest import StoredRecording, signed
from jepa.fleet.names import Names
from jepa.fleet.part import make_part
from jepa.fleet.store import Store
from jepa.fleet.upload import manifest_path, part_path
from jepa.telemetry.recording import LISTENED, Recording, load_recording, save
from jepa.telemetry.schema import load_schema
from jepa_lab.fleet.survey import Host, survey

RECORDINGS: Final = Path("model-packs/machine/recordings")
OF_ONE_KIND: Final = ("f0*", "l0*", "t??-*", "v0?-*")
"""Machines with two CPUs: programs at work, and what their owners did on them."""
DAY: Final = "2026-11-29"
START_NS: Final = 1_795_910_400 * 10**9
"""The beginning of DAY, UTC."""
HOUR: Final = 3600
SCHEMA = load_schema()


@dataclass(frozen=True, slots=True)
class Replayed:
    """A store, and what its owner finds in it."""

    address: str
    hosts: tuple[Host, ...]


def real() -> list[Recording]:
    """The recordings that machines are made of."""
    folders = sorted({found for kind in OF_ONE_KIND for found in RECORDINGS.glob(kind)})
    return [load_recording(folder, SCHEMA) for folder in folders]


def replayed(folder: Path, hosts: int, parts: int, frames: int) -> Replayed:
    """``hosts`` machines with ``parts`` parts of ``frames`` frames each, an hour apart, below ``folder``.

    What is there already from an earlier call with the same numbers is used as it is.
    """
    place = folder / f"{hosts}x{parts}x{frames}"
    if not (place / "made").exists():
        shutil.rmtree(place, ignore_errors=True)
        (place / "store").mkdir(parents=True)
        make_keys(place / "keys")
        owner, store, known = (
            read_owner_key(place / "keys/owner.key"),
            Store((place / "store").as_uri()),
            real(),
        )
        for number in range(hosts):
            rng = random.Random(number)
            made = [mixed(known, rng, hour, frames) for hour in range(parts)]
            send(store, owner, place / f"machine{number}", made)
        (place / "made").touch()
    return look(place)


def look(place: Path) -> Replayed:
    """What is below ``place``, which `replayed` has made."""
    owner, store = read_owner_key(place / "keys/owner.key"), Store((place / "store").as_uri())
    found = survey(store, owner, SCHEMA, time.time_ns() + 10**18)
    wrong = [problem for problem in found.problems if "clock" not in problem.what]
    assert not wrong, wrong[:3]
    return Replayed(store.address, found.hosts)


def mixed(known: Sequence[Recording], rng: random.Random, hour: int, frames: int) -> Recording:
    """One part: some of ``known`` after each other, each from anywhere in it on, in ``hour`` of the day."""
    pieces: list[np.ndarray[tuple[int, ...], np.dtype[np.float32]]] = []
    left = frames
    while left > 0:
        values = rng.choice(known).values
        piece = np.roll(values, -rng.randrange(len(values)), axis=0)[: min(left, HOUR // 4)]
        pieces.append(piece)
        left -= len(piece)
    return at(known[0], np.concatenate(pieces), hour)


def at(like: Recording, values: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]", hour: int) -> Recording:
    """``values`` as what a machine like that of ``like`` recorded in ``hour`` of the day."""
    ts_ns = START_NS + (hour * HOUR + np.arange(len(values), dtype=np.int64)) * 10**9
    meta = replace(
        like.meta,
        start_ns=int(ts_ns[0]),
        frames=len(values),
        seconds=float(len(values) - 1),
        missed=0,
        labels={LISTENED: True},
    )
    return Recording(like.schema, ts_ns, values, (), (), meta)


def send(store: Store, owner: OwnerKey, state: Path, recordings: Sequence[Recording]) -> None:
    """Put ``recordings`` into ``store`` as the parts of the machine whose identity is in ``state``."""
    state.mkdir()
    machine = identity_in(state)
    parts: list[StoredRecording] = []
    for recording in recordings:
        with tempfile.TemporaryDirectory(prefix="jepa-replayed-") as name:
            raw, into = Path(name, "raw"), Path(name, "part")
            raw.mkdir()
            into.mkdir()
            save(raw, recording)
            part = make_part(raw, SCHEMA, Names(owner.fleet), into)
            for file in part.files:
                target = Path(
                    store.address.removeprefix("file://"), part_path(machine.host, part.name, file)
                )
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(into / file, target)
        parts.append(part)
    manifest = signed(
        machine, owner.fleet, day=DAY, parts=tuple(parts), table={}, lost=0, sent_ns=time.time_ns()
    )
    store.write(manifest_path(machine.host, DAY), manifest)


if __name__ == "__main__":
    found = replayed(Path(sys.argv[1]), *map(int, sys.argv[2:5]))
    print(
        f"{len(found.hosts)} machines, {sum(host.hours for host in found.hosts):.1f} hours: {found.address}"
    )
