# SPDX-License-Identifier: Apache-2.0
"""The kernel source: channels from counters, without capabilities, and what is told when there is none."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jepa.telemetry.roles import Roles
from jepa.telemetry.schema import load_schema
from jepa.telemetry.sources.kernel import KernelSource, measure_costs

ROOT = Path("/")


@pytest.fixture
def source(programs: Path) -> Iterator[KernelSource]:
    made = KernelSource(ROOT, Roles(ROOT), programs)
    yield made
    made.close()


def test_the_first_reading_only_starts_the_rates(source: KernelSource) -> None:
    assert "system.process.executed" not in source.read(1.0).values


def test_rates_are_a_second_whatever_the_interval(source: KernelSource) -> None:
    source.read(100.0)
    subprocess.run(["sh", "-c", "for i in $(seq 400); do /bin/true; done"], check=True)
    values = source.read(102.0).values
    assert 200 <= values["system.process.executed"] <= 250  # others start some meanwhile
    assert values["system.cpu.run_queue.latency.p50"] <= values["system.cpu.run_queue.latency.p99"]
    assert values["system.paging.oom_kills"] == 0


def test_a_quantile_of_nothing_is_absent_and_a_rate_of_nothing_is_zero(source: KernelSource) -> None:
    source.read(1.0)
    values = source.read(2.0).values
    assert "system.network.tcp.connect.p50" not in values
    assert values["system.network.tcp.opened"] == 0


def test_every_value_is_a_channel_of_this_source(source: KernelSource) -> None:
    known = {channel.name: channel for channel in load_schema().channels if channel.source == "kernel"}
    source.read(1.0)
    subprocess.run(["true"], check=True)
    values = source.read(2.0).values
    assert set(values) <= set(known)
    assert len(values) > 20
    for name, value in values.items():
        assert known[name].low <= value <= known[name].high, name


def test_histograms_hold_what_the_quantiles_were_made_of(source: KernelSource) -> None:
    source.read(1.0)
    subprocess.run(["sh", "-c", "for i in $(seq 20); do /bin/true; done"], check=True)
    values = source.read(2.0).values
    lifetimes = [each for each in source.histograms() if each.name == "system.process.lifetime"]
    assert len(lifetimes) == 1
    assert lifetimes[0].total >= 20
    assert lifetimes[0].quantile(0.5) == pytest.approx(values["system.process.lifetime.p50"])


def test_maps_stay_far_below_eight_mebibytes(source: KernelSource) -> None:
    assert 0 < source.maps_mib() < 8


DROPPED = """
import subprocess, sys, time
from pathlib import Path
from jepa.telemetry.collector.privileges import drop_capabilities
from jepa.telemetry.roles import Roles
from jepa.telemetry.sources.kernel import KernelSource
source = KernelSource(Path("/"), Roles(Path("/")), Path(sys.argv[1]))
drop_capabilities()
source.read(1.0)
subprocess.run(["sh", "-c", "/bin/true; /bin/true"], check=True)
reading = source.read(2.0)
print(reading.values["system.process.executed"] >= 2, len(source.programs()) > 10)
"""


def test_reading_goes_on_without_any_capability(programs: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", DROPPED, str(programs)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "True True"


def test_costs_are_measured_and_the_kernel_is_left_as_it_was(source: KernelSource) -> None:
    switch = Path("/proc/sys/kernel/bpf_stats_enabled")
    was = switch.read_text()
    source.read(time.monotonic())
    measured = {state.name: state for state in measure_costs(source.programs, 0.5)}
    assert switch.read_text() == was
    per_run = measured["on_switch"].ns_per_run
    assert per_run is not None
    assert 10 < per_run < 20_000


def test_no_programs_is_one_reason_and_the_files_still_speak(tmp_path: Path) -> None:
    source = KernelSource(ROOT, Roles(ROOT), tmp_path)
    source.read(1.0)
    reading = source.read(2.0)
    assert reading.reason == f"no BPF programs in {tmp_path}"
    assert "system.network.tcp.retransmits" in reading.values
    assert "system.cpu.run_queue.latency.p99" not in reading.values


def test_one_bad_object_leaves_the_others(programs: Path, tmp_path: Path) -> None:
    for path in programs.glob("*.bpf.o"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "tcp.bpf.o").write_bytes(b"no object")
    source = KernelSource(ROOT, Roles(ROOT), tmp_path)
    try:
        source.read(1.0)
        reading = source.read(2.0)
        assert "tcp" in reading.reason
        assert "system.network.tcp.opened" in reading.values, "from the file"
        assert "system.process.executed" in reading.values
    finally:
        source.close()


@pytest.mark.parametrize("how", ["object", "program"])
def test_lockdown_is_named_as_the_reason_whatever_it_costs(programs: Path, tmp_path: Path, how: str) -> None:
    lockdown = tmp_path / "sys/kernel/security/lockdown"
    lockdown.parent.mkdir(parents=True)
    lockdown.write_text("none integrity [confidentiality]\n")
    folder = tmp_path / "bpf"
    folder.mkdir()
    content = (programs / "process.bpf.o").read_bytes()
    lacking = content.replace(b"tp_btf/sched_process_exec", b"tp_btf/sched_process_nope")
    (folder / "process.bpf.o").write_bytes(b"no object" if how == "object" else lacking)
    source = KernelSource(tmp_path, Roles(tmp_path), folder)
    try:
        assert source.read(1.0).reason.startswith("the kernel is locked down")
    finally:
        source.close()


def test_closing_leaves_no_descriptor(programs: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    KernelSource(ROOT, Roles(ROOT), programs).close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
