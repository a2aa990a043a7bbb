# SPDX-License-Identifier: Apache-2.0
"""A machine that is merely busy has no fault, and nobody is accused without a share of what is short."""

from dataclasses import replace

import numpy as np
import pytest

from jepa.explanation.situation import Situation
from jepa.explanation.window import FrameWindow
from jepa.healing.observation import Space
from jepa.telemetry.frame import Frame
from jepa.telemetry.recording import load_recording
from jepa.telemetry.schema import load_schema
from tests.unit.conftest import MACHINE_PACK
from tests.unit.explanation.scenes import (
    GIB,
    IDLE,
    MACHINE,
    MIB,
    SECONDS,
    accused,
    event,
    explained,
    situation,
    unit,
)

BUSY = {"system.cpu.utilization": 97.0, "system.pressure.cpu.some": 12.0, "system.cpu.runnable": 3.0}
SHORT = {"system.cpu.utilization": 99.0, "system.pressure.cpu.some": 80.0}
COPY = {
    "system.disk.utilization": 90.0,
    "system.pressure.io.some": 40.0,
    "system.disk.io.read": 200_000.0,
    "system.disk.operations.read": 1600.0,
}


def cached(second: int) -> dict[str, float]:
    return {"system.memory.cached": 25.0 + 0.15 * second}


def warming(second: int) -> dict[str, float]:
    return {"system.memory.anonymous": 20.0 + min(15.0, 0.5 * max(0, second - SECONDS + 90))}


CONTROLS: dict[str, Situation] = {
    "an idle machine": situation(),
    "a build that uses all CPUs, which nobody else wants": situation(
        BUSY, (unit("session-1.scope", cpu=95.0, cpu_wait=15.0, weight=None),)
    ),
    "work in the background that only waits for itself": situation(
        SHORT, (unit("batch.service", cpu=97.0, cpu_wait=80.0, weight=10),)
    ),
    "a service that is meant to wait": situation(
        SHORT | {"system.pressure.cpu.some": 40.0},
        (unit("web.service", cpu=90.0), unit("batch.service", cpu=5.0, cpu_wait=40.0, weight=10)),
    ),
    "a build for which only jepa itself has to wait": situation(
        BUSY | {"system.pressure.cpu.some": 40.0},
        (unit("session-1.scope", cpu=95.0, weight=None), unit("jepa-healing.service", cpu_wait=20.0)),
    ),
    "a copy that a disk keeps up with": situation(COPY, (unit("cp.service", read=190 * MIB, io_wait=38.0),)),
    "a page cache that fills": situation(cached, (unit("copy.service", read=3 * MIB),), since=0),
    "a program that warms up and stops growing": situation(
        warming, (unit("java.service", memory=700 * MIB),), since=0
    ),
    "a service that uses much memory, which there is": situation(
        {"system.memory.utilization": 80.0}, (unit("db.service", memory=1.2 * GIB),)
    ),
    "a service that fills its limit and wants no more": situation(
        units=(unit("boxed.service", memory=127 * MIB, limit=128 * MIB),)
    ),
    "swap that is full of what nobody needs": situation({"system.paging.utilization": 90.0}),
    "a server with many connections, as always": situation(
        {"system.network.tcp.accepted": 900.0}, (unit("web.service", cpu=40.0),), since=0
    ),
    "many context switches, as always": situation(
        {"system.cpu.context_switches": 60_000.0}, (unit("db.service", cpu=40.0),), since=0
    ),
    "a small file system with room": situation(
        machine=replace(MACHINE, spaces={"/boot": Space(100 * MIB, 500 * MIB)})
    ),
    "a client of many connections, as always": situation(
        {"system.network.tcp.opened": 900.0}, (unit("proxy.service", connections=300),), since=0
    ),
    "a unit that failed long ago": situation(units=(unit("old.service", active="failed"),)),
    "a unit that failed and runs again": situation(
        units=(unit("web.service"),), events=(event("unit_failed", "web.service", "result signal"),)
    ),
    "devices that come and go": situation(events=(event("device_added", "usb1"), event("anomaly"))),
}  # fmt: skip


@pytest.mark.parametrize("scene", CONTROLS)
def test_nothing_stands_out(scene: str) -> None:
    found = explained(CONTROLS[scene])
    assert not found.causes, [cause.summary for cause in found.causes]
    assert found.facts


def test_without_a_look_at_units_what_is_short_is_named_and_nobody_is() -> None:
    seen = Situation(situation(SHORT).window)
    found = explained(seen)
    assert found.causes[0].kind == "cpu_contention"
    assert not accused(found)


def test_a_unit_that_moves_little_is_not_named_for_a_disk_that_others_saturate() -> None:
    seen = situation(
        {"system.disk.utilization": 99.0, "system.pressure.io.some": 80.0, "system.disk.io.read": 150_000.0,
         "system.disk.operations.read": 900.0},
        (unit("db.service", read=2 * MIB, io_wait=80.0),),
    )  # fmt: skip
    found = explained(seen)
    assert found.causes[0].kind == "disk_contention"
    assert not accused(found)
    assert found.causes[0].suffers == ("db.service",)


def test_a_service_that_is_throttled_does_not_suffer_from_its_neighbour() -> None:
    seen = situation(
        {"system.cpu.utilization": 95.0, "system.pressure.cpu.some": 40.0},
        (unit("busy.service", cpu=80.0), unit("api.service", cpu=10.0, cpu_wait=80.0, throttled=150.0)),
    )
    assert accused(explained(seen)) == {"api.service"}


@pytest.mark.parametrize("name", ["ah1-shop.untouched", "ah1-shop"])
def test_real_frames_without_shares_accuse_nobody(name: str) -> None:
    recording = load_recording(MACHINE_PACK / "heldout" / name, load_schema())
    frames = [
        Frame(int(ts_ns), values, np.isfinite(values))
        for ts_ns, values in zip(recording.ts_ns, recording.values, strict=True)
    ]
    for end in range(60, len(frames), 120):
        assert not accused(explained(Situation(FrameWindow(load_schema(), frames[max(0, end - 300) : end]))))


def test_a_full_file_system_is_not_blamed_on_who_wrote_in_months_or_before() -> None:
    full = replace(MACHINE, spaces={"/var": Space(0, 10 * GIB)})
    old = situation(
        {"system.filesystem.utilization": 100.0}, (unit("db.service", wrote=90 * GIB),), machine=full
    )
    long_full = situation(
        {"system.filesystem.utilization": 100.0}, (unit("db.service", wrote=6 * GIB),), since=0, machine=full
    )
    for seen in (old, long_full):
        found = explained(seen)
        assert found.causes[0].kind == "file_system_full"
        assert not accused(found)


def test_an_idle_machine_says_how_it_is() -> None:
    found = explained(situation())
    said = {each.source: each.value for each in found.facts}
    assert said["system.cpu.utilization"] == pytest.approx(IDLE["system.cpu.utilization"], rel=0.1)
