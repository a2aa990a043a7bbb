# SPDX-License-Identifier: Apache-2.0
"""On the image's kernel too, each program counts what the kernel's own file counts."""

from pathlib import Path

import pytest

from tools.vm.machine import Machine

pytestmark = [pytest.mark.vm, pytest.mark.actuator_only]

SCRIPT = Path(__file__).with_name("parity.py")
KILLED = (
    r"(?i)out of memory|oom-kill|oom_kill|Killed process|Failed with result",
    "a process is made to ask too much",
)


@pytest.mark.allow(*KILLED)
def test_programs_count_what_files_count(machine: Machine) -> None:
    machine.succeed(f"cat > /run/parity.py <<'END'\n{SCRIPT.read_text()}END")
    told = machine.succeed("python3 -IS /run/parity.py /usr/lib/jepa /usr/lib/jepa/bpf", 120)
    machine.succeed("systemctl reset-failed")
    lines = [line.split() for line in told.splitlines()]
    assert len(lines) == 7, told
    for name, least, most, counted in lines:
        assert int(counted) > 0, f"{name}: nothing was compared"
        assert int(least) <= int(counted) <= int(most), told
