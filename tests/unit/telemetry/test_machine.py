# SPDX-License-Identifier: Apache-2.0
"""The machine gives whole frames whatever is missing, and says of each source how it does."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from jepa.telemetry.frame import Frame
from jepa.telemetry.machine import open_machine
from tests.unit.telemetry.clock import Clock


def test_every_channel_of_the_schema_is_read_from_a_whole_host(host: Any) -> None:
    clock = Clock()
    machine = open_machine(host.root, clock=clock)
    first = machine.read()
    clock.pass_(1.0)
    host.edit("proc/stat", "cpu  1000 100 500 8000", "cpu  1050 100 500 8050")
    host.edit("proc/diskstats", "sda 1000", "sda 1001")
    second = machine.read()
    from_files = [
        channel.source not in ("kernel", "listeners", "roles", "own") for channel in machine.schema.channels
    ]
    missing = [
        name
        for name, valid, expected in zip(machine.schema.names, second.valid, from_files, strict=True)
        if expected and not valid
    ]
    assert missing == []
    assert second.ts_ns - first.ts_ns == 1_000_000_000
    assert not first.valid[machine.schema.index("system.cpu.utilization")]
    assert second.values[machine.schema.index("system.cpu.utilization")] == pytest.approx(50)
    for state in machine.sources():
        if state.name != "roles":  # this host has groups for some of them only
            assert state.ok and state.channels == state.of > 0, state


def test_an_empty_root_gives_an_empty_frame_and_a_reason_for_each_source(tmp_path: Path) -> None:
    machine = open_machine(tmp_path / "nothing")
    frame = machine.read()
    assert not frame.valid.any()
    assert np.isnan(frame.values).all()
    for state in machine.sources():
        assert not state.ok and state.reason and state.channels == 0, state


def test_garbage_in_any_file_never_raises(host: Any) -> None:
    dice = random.Random(7)
    machine = open_machine(host.root)
    files = [path for path in host.root.rglob("*") if path.is_file()]
    for _ in range(60):
        path = dice.choice(files)
        good = path.read_bytes()
        path.write_bytes(dice.randbytes(dice.randrange(6000)))
        frame = machine.read()
        assert np.isfinite(frame.values[frame.valid]).all()
        path.write_bytes(good)


def test_values_are_kept_within_the_physical_range(host: Any) -> None:
    host.write("proc/loadavg", "99999999.0 0 0 1/9999999999 5\n")
    machine = open_machine(host.root)
    frame = machine.read()
    schema = machine.schema
    for name in ("system.cpu.load_average.1m", "system.process.threads"):
        assert frame.values[schema.index(name)] == schema.channels[schema.index(name)].high


def test_a_set_clock_does_not_disturb_the_rates(host: Any) -> None:
    clock = Clock()
    machine = open_machine(host.root, clock=clock)
    machine.read()
    clock.pass_(2.0)
    clock.wall -= 3_600_000_000_000
    host.edit("proc/stat", "ctxt 123456", "ctxt 123656")
    frame = machine.read()
    assert frame.values[machine.schema.index("system.cpu.context_switches")] == pytest.approx(100)


@pytest.fixture(scope="module")
def two_reads() -> tuple[Any, Frame, dict[str, Any], dict[str, Any]]:
    """This machine, read with work going on, between psutil's own readings before and after."""

    def look() -> dict[str, Any]:
        return {
            "time": time.monotonic(),
            "cpu": psutil.cpu_times(),
            "stats": psutil.cpu_stats(),
            "memory": psutil.virtual_memory(),
            "pids": len(psutil.pids()),
        }

    machine = open_machine()
    outer_before = look()
    machine.read()
    inner_before = look()
    end = time.monotonic() + 0.6
    while time.monotonic() < end:
        sum(range(10_000))
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    inner_after = look()
    frame = machine.read()
    outer_after = look()
    outer = {"before": outer_before, "after": outer_after}
    inner = {"before": inner_before, "after": inner_after}
    return machine, frame, outer, inner


def rate(sides: dict[str, Any], name: str) -> float:
    rise = getattr(sides["after"]["stats"], name) - getattr(sides["before"]["stats"], name)
    return float(rise)


@pytest.mark.parametrize(
    ("channel", "statistic"),
    [("system.cpu.context_switches", "ctx_switches"), ("system.cpu.interrupts", "interrupts")],
)
def test_real_rates_lie_between_those_of_psutil(two_reads: Any, channel: str, statistic: str) -> None:
    machine, frame, outer, inner = two_reads
    seconds = [side["after"]["time"] - side["before"]["time"] for side in (outer, inner)]
    value = float(frame.values[machine.schema.index(channel)])
    assert rate(inner, statistic) > 0
    assert (
        rate(inner, statistic) / seconds[0] * 0.999 <= value <= rate(outer, statistic) / seconds[1] * 1.001
    )


def test_real_cpu_time_lies_between_that_of_psutil(two_reads: Any) -> None:
    machine, frame, outer, inner = two_reads

    def busy(sides: dict[str, Any]) -> tuple[float, float]:
        before, after = sides["before"]["cpu"], sides["after"]["cpu"]
        rise = {name: getattr(after, name) - getattr(before, name) for name in after._fields}
        total = sum(rise[n] for n in ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"))
        return total - rise["idle"] - rise["iowait"], total

    value = float(frame.values[machine.schema.index("system.cpu.utilization")])
    low = 100 * busy(inner)[0] / busy(outer)[1]
    high = 100 * busy(outer)[0] / busy(inner)[1]
    assert value > 5
    assert low - 2 <= value <= high + 2


def test_real_memory_agrees_with_psutil(two_reads: Any) -> None:
    machine, frame, outer, inner = two_reads
    value = float(frame.values[machine.schema.index("system.memory.utilization")])
    seen = [inner["after"]["memory"].percent, outer["after"]["memory"].percent]
    assert min(seen) - 1 <= value <= max(seen) + 1


def test_real_process_count_agrees_with_psutil(two_reads: Any) -> None:
    machine, frame, outer, _ = two_reads
    value = float(frame.values[machine.schema.index("system.process.count")])
    assert value == pytest.approx(outer["after"]["pids"], abs=20)


def test_real_disk_sees_what_this_test_writes(tmp_path: Path) -> None:
    machine = open_machine()
    machine.read()
    with (tmp_path / "block").open("wb") as file:
        file.write(os.urandom(4 << 20))
        file.flush()
        os.fsync(file.fileno())
    frame = machine.read()
    disk = next(state for state in machine.sources() if state.name == "disk")
    if not disk.ok:
        pytest.skip(disk.reason)
    if "tmpfs" in {part.fstype for part in psutil.disk_partitions(all=True) if part.mountpoint == "/tmp"}:
        pytest.skip("the temporary files of this machine are in memory")
    assert frame.values[machine.schema.index("system.disk.io.write")] > 0


def test_reading_this_machine_is_cheap() -> None:
    machine = open_machine()
    machine.read()
    start = time.process_time()
    for _ in range(50):
        machine.read()
    assert (time.process_time() - start) / 50 < 0.005
