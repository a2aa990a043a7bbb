# SPDX-License-Identifier: Apache-2.0
"""`jepa record` on the image: what programs count and events, readable while written, hard to lose."""

import json
import time
from pathlib import Path

import pytest

from jepa.telemetry.recording import load_recording
from jepa.telemetry.schema import load_schema
from tools.vm.machine import Machine

pytestmark = pytest.mark.vm

FAILED = (r"doomed\.service", "a unit that fails on purpose")
KILLED = (r"recorder\.service: (Main process exited|Failed with result)", "the recorder is killed")
FOLDER = "/var/tmp/recording"
READ = """\
import sys, json
sys.path.insert(0, "/usr/lib/jepa")
from pathlib import Path
from jepa.telemetry.recording import load_recording
from jepa.telemetry.schema import load_schema
found = load_recording(Path(sys.argv[1]), load_schema())
print(json.dumps([int(ts) for ts in found.ts_ns]))
"""


def times(machine: Machine) -> list[int]:
    """Times in ns of the frames in the guest's recording, as a program there reads it."""
    return list(map(int, json.loads(machine.succeed(f"python3 -IS -c '{READ}' {FOLDER}", 60))))


@pytest.mark.allow(*FAILED)
def test_a_recording_holds_what_programs_count_and_what_happened(machine: Machine, tmp_path: Path) -> None:
    machine.succeed(f"systemd-run --quiet --unit=recorder jepa record {FOLDER} --seconds 15")
    machine.wait_for_file(f"{FOLDER}/events.lines")
    time.sleep(3)
    machine.execute("systemd-run --unit=doomed --wait sh -c 'exit 7'")
    machine.wait_until_succeeds(f"grep -q finished.*true {FOLDER}/meta.json")
    machine.succeed("systemctl reset-failed doomed")
    for name in machine.succeed(f"ls {FOLDER}").split():
        (tmp_path / name).write_bytes(machine.copy_from(f"{FOLDER}/{name}"))
    schema = load_schema()
    recording = load_recording(tmp_path, schema)
    assert len(recording.ts_ns) + (recording.meta.missed or 0) >= 15
    wanted = ("system.cpu.run_queue.latency.p99", "system.memory.utilization", "system.file.opened")
    for name in wanted:
        column = recording.values[:, schema.index(name)]
        assert (column == column).any(), f"{name} was never observed"
    assert "doomed.service" in {event.unit for event in recording.events if event.kind == "unit_failed"}


@pytest.mark.slow
@pytest.mark.allow(*KILLED)
def test_a_recording_can_be_read_while_written_and_killed_it_keeps_all_but_the_last_second(
    machine: Machine,
) -> None:
    machine.succeed(f"systemd-run --quiet --unit=recorder jepa record {FOLDER}")
    machine.wait_for_file(f"{FOLDER}/log")
    deadline = time.monotonic() + 30 * machine.factor
    while len(before := times(machine)) < 5:
        assert time.monotonic() < deadline, before
    killed_ns = int(machine.succeed("date +%s%N; systemctl kill -s KILL recorder").split()[0])
    after = times(machine)
    assert after[: len(before)] == before
    assert (killed_ns - after[-1]) / 1e9 < 2.5, "a period, and what the emulated command took"
    assert times(machine) == after, "completed once, it stays as it is"
    machine.succeed("systemctl reset-failed recorder")
