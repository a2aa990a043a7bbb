# SPDX-License-Identifier: Apache-2.0
"""Fleets for tests: machines made of real recordings, shifted in time and put one after the other.

They differ in what they run, as real ones do, but are of three kinds of hardware: the recordings are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from jepa.fleet.keys import OwnerKey
from jepa.fleet.spool import Spool
from jepa.telemetry.recording import LISTENED, Recording, load_recording
from jepa_lab.fleet.survey import Host, survey
from tests.unit.fleet.machines import NOON_NS, SCHEMA, owner_in, put, store_in, uploader

HOUR_NS = 3600 * 10**9
RECORDINGS = Path(__file__).parents[4] / "model-packs/machine/recordings"


def real(name: str) -> Recording:
    """One of the recordings in this tree."""
    return load_recording(RECORDINGS / name, SCHEMA)


def a_part(recording: Recording, number: int = 0, frames: int | None = None, shift: int = 0) -> Recording:
    """``recording`` in hour ``number`` after noon, its first ``shift`` frames put to its end."""
    values = np.roll(recording.values, -shift, axis=0)[:frames]
    ts_ns = NOON_NS + number * HOUR_NS + np.arange(len(values), dtype=np.int64) * 10**9
    meta = replace(
        recording.meta,
        start_ns=int(ts_ns[0]),
        frames=len(values),
        seconds=float(len(values) - 1),
        labels={LISTENED: True},
    )
    return Recording(recording.schema, ts_ns, values, (), (), meta)


def a_fleet(folder: Path, machines: Mapping[str, Sequence[Recording]]) -> tuple[str, OwnerKey]:
    """The address of a store with the parts of ``machines``, and who owns them."""
    owner = owner_in(folder / "keys")
    store = store_in(folder / "store")
    for name, parts in machines.items():
        spool = Spool(folder / name)
        for each in parts:
            put(spool, each)
        assert uploader(spool, store, owner.fleet).run().fault is None
    return store.address, owner


def hosts_of(address: str, owner: OwnerKey) -> tuple[Host, ...]:
    """What the owner finds in the store."""
    from jepa.fleet.store import Store

    return survey(Store(address), owner, SCHEMA, NOON_NS + 99 * HOUR_NS).hosts
