# SPDX-License-Identifier: Apache-2.0
"""A process that is made to wait gets less of the CPU, or none, and all of its share again afterwards."""

import time

import pytest

from tests.vm.actions import act, refused, undo
from tools.vm.machine import Machine

pytestmark = [pytest.mark.vm, pytest.mark.actuator_only]

MEASURED_S = 4.0
TICKS = 'cut -d" " -f14,15 /proc/{pid}/stat'


@pytest.fixture
def two(machine: Machine) -> tuple[int, int]:
    """Two processes of one unit that share a CPU."""
    burn = 'taskset -c 0 sh -c "while :; do :; done"'
    machine.succeed(f"systemd-run --unit=pair sh -c '{burn} & exec {burn}'")
    machine.wait_until_succeeds("test $(wc -l < /sys/fs/cgroup/system.slice/pair.service/cgroup.procs) = 2")
    first, second = machine.succeed("cat /sys/fs/cgroup/system.slice/pair.service/cgroup.procs").split()
    return int(first), int(second)


def share(machine: Machine, pids: tuple[int, int]) -> float:
    """What part of the CPU time of both the first one got, from now on."""
    script = "; ".join(TICKS.format(pid=pid) for pid in pids)
    before = [sum(map(int, line.split())) for line in machine.succeed(script).splitlines()]
    time.sleep(MEASURED_S)
    after = [sum(map(int, line.split())) for line in machine.succeed(script).splitlines()]
    first, second = (end - begin for begin, end in zip(before, after, strict=True))
    return first / (first + second)


def test_a_process_with_a_higher_nice_value_leaves_the_cpu_to_others(
    machine: Machine, two: tuple[int, int]
) -> None:
    equal = share(machine, two)
    change = act(machine, f"process.nice {two[0]} 19")
    assert (change["from"], change["to"]) == (0, 19)
    less = share(machine, two)
    undo(machine, change)
    again = share(machine, two)
    machine.say(f"share of the CPU: {equal:.2f}, at nice 19 {less:.3f}, taken back {again:.2f}")
    assert equal == pytest.approx(0.5, abs=0.15)
    assert less < 0.1
    assert again == pytest.approx(0.5, abs=0.15)


@pytest.mark.slow
def test_a_paused_process_gets_nothing_until_it_is_resumed(machine: Machine, two: tuple[int, int]) -> None:
    change = act(machine, f"process.pause {two[0]}")
    assert share(machine, two) == 0
    undo(machine, change)
    assert share(machine, two) == pytest.approx(0.5, abs=0.15)
    change = act(machine, f"process.scheduler {two[0]} idle")
    assert share(machine, two) < 0.1
    undo(machine, change)


def test_a_process_is_ended_and_a_protected_one_is_not(machine: Machine, two: tuple[int, int]) -> None:
    act(machine, f"process.terminate {two[1]}")
    machine.succeed(f"test ! -e /proc/{two[1]}")
    for target in ("1", "systemd-journald", "dbus-daemon", "systemd-logind"):
        said = refused(machine, f"process.kill {target}")
        assert "protect" in said or "refused" in said, said
