# SPDX-License-Identifier: Apache-2.0
"""What is set on a unit has its effect on work under load, and taking it back leaves the unit as it was."""

import time

import pytest

from tests.vm.actions import MIB, SERVICES, act, number, refused, start, undo, write
from tools.vm.machine import Machine

pytestmark = [pytest.mark.vm, pytest.mark.actuator_only]

MEASURED_S = 4.0
BURN = 'exec taskset -c 0 sh -c "while :; do :; done"'
FORKS = """\
import os, time
while True:
    try:
        if os.fork() == 0:
            time.sleep(600)
            os._exit(0)
    except BlockingIOError:
        pass
    time.sleep(0.05)
"""


def cpu_s(machine: Machine, *units: str) -> list[float]:
    """CPU seconds that each unit uses in a second, from now on."""
    script = "; ".join(f"grep usage_usec {SERVICES}/{unit}.service/cpu.stat" for unit in units)
    script = f"cut -d' ' -f1 /proc/uptime; {script}"

    def read() -> list[float]:
        first, *rest = machine.succeed(script).splitlines()
        return [float(first), *(int(line.split()[1]) / 1e6 for line in rest)]

    before = read()
    time.sleep(MEASURED_S)
    seconds, *used = (end - begin for begin, end in zip(before, read(), strict=True))
    return [each / seconds for each in used]


def left_behind(machine: Machine, unit: str) -> str:
    """Drop-ins of ours that are still there."""
    return machine.succeed(
        f"find /run/systemd/system.control /etc/systemd/system -path '*{unit}*' 2>/dev/null || true"
    )


def test_cpu_time_is_shared_by_weight_and_held_by_a_limit(machine: Machine) -> None:
    start(machine, "one", BURN)
    start(machine, "two", BURN)
    one, two = cpu_s(machine, "one", "two")
    assert one / (one + two) == pytest.approx(0.5, abs=0.15)
    weight = act(machine, "cpu.weight one 10")
    assert (weight["from"], weight["to"], weight["target"]) == ("default", 10, "one.service")
    light, heavy = cpu_s(machine, "one", "two")
    limit = act(machine, "cpu.max two 30%")
    _, limited = cpu_s(machine, "one", "two")
    undo(machine, limit)
    undo(machine, weight)
    again, other = cpu_s(machine, "one", "two")
    machine.say(
        f"at a weight of 10 {light / (light + heavy):.2f} of the time, limited to 30%: {limited:.2f}"
    )
    assert light / (light + heavy) == pytest.approx(1 / 11, abs=0.05)
    assert limited == pytest.approx(0.3, abs=0.06)
    assert again / (again + other) == pytest.approx(0.5, abs=0.15)
    assert not left_behind(machine, "one")


@pytest.mark.slow
def test_an_idle_unit_runs_on_what_others_leave_and_a_clamp_reaches_its_tasks(machine: Machine) -> None:
    start(machine, "one", BURN)
    start(machine, "two", BURN)
    idle = act(machine, "cpu.weight one idle")
    light, heavy = cpu_s(machine, "one", "two")
    undo(machine, idle)
    again, other = cpu_s(machine, "one", "two")
    machine.say(f"of the time, idle {light / (light + heavy):.3f}, taken back {again / (again + other):.2f}")
    assert light / (light + heavy) < 0.03
    assert again / (again + other) == pytest.approx(0.5, abs=0.15)

    # A virtual machine has no frequency to choose; what the scheduler would choose by can be seen.
    clamp = f"grep 'effective uclamp.max' /proc/$(head -1 {SERVICES}/one.service/cgroup.procs)/sched"
    change = act(machine, "cpu.uclamp.max one 30%")
    assert int(machine.succeed(clamp).split()[-1]) == pytest.approx(0.3 * 1024, abs=2)
    undo(machine, change)
    assert int(machine.succeed(clamp).split()[-1]) == 1024


def test_a_unit_runs_on_the_cpus_it_is_given(machine: Machine) -> None:
    start(machine, "roam", "while :; do :; done")
    change = act(machine, "cpu.cpus roam 1")
    for _ in range(5):
        machine.succeed(f"test $(cut -d' ' -f39 /proc/$(cat {SERVICES}/roam.service/cgroup.procs)/stat) = 1")
    undo(machine, change)
    assert machine.succeed("systemctl show -P AllowedCPUs roam").strip() == ""
    assert "Not all of the CPUs 7 are here" in refused(machine, "cpu.cpus roam 7")


def test_memory_is_held_reclaimed_and_kept_from_swap(machine: Machine) -> None:
    hold = 'exec python3 -c "import time; held = bytes([7]) * (200 << 20); time.sleep(9999)"'
    start(machine, "big", hold)
    machine.wait_until_succeeds(f"test $(cat {SERVICES}/big.service/memory.current) -gt {150 * MIB}")
    high = act(machine, "memory.high big 64M")
    machine.wait_until_succeeds(f"test $(cat {SERVICES}/big.service/memory.current) -le {72 * MIB}")
    assert number(machine, "big", "memory.swap.current") > 100 * MIB
    undo(machine, high)
    assert machine.succeed(f"cat {SERVICES}/big.service/memory.high").strip() == "max"

    start(machine, "other", hold)
    machine.wait_until_succeeds(f"test $(cat {SERVICES}/other.service/memory.current) -gt {150 * MIB}")
    before = number(machine, "other", "memory.current")
    act(machine, "memory.reclaim other 50M")
    reclaimed = before - number(machine, "other", "memory.current")
    machine.say(f"of 50 MiB asked for, {reclaimed / MIB:.0f} MiB were reclaimed")
    assert reclaimed >= 25 * MIB
    swap = number(machine, "other", "memory.swap.current")
    kept = act(machine, f"memory.swap.max other {swap}")
    high = act(machine, "memory.high other 100M")
    time.sleep(2)
    assert number(machine, "other", "memory.swap.current") <= swap
    undo(machine, high)
    undo(machine, kept)
    assert machine.succeed(f"cat {SERVICES}/other.service/memory.swap.max").strip() == "max"


def test_a_unit_cannot_multiply_beyond_what_it_may(machine: Machine) -> None:
    write(machine, "/run/forks.py", FORKS)
    start(machine, "forks", "exec python3 /run/forks.py")
    change = act(machine, "pids.max forks 20")  # those that are there already stay
    there = number(machine, "forks", "pids.current")
    time.sleep(4)
    assert number(machine, "forks", "pids.current") <= there
    undo(machine, change)
    machine.wait_until_succeeds(f"test $(cat {SERVICES}/forks.service/pids.current) -gt {there}")


def test_a_frozen_unit_stands_still_and_runs_on_when_its_time_is_over(machine: Machine) -> None:
    start(machine, "count", "while :; do :; done")
    change = act(machine, "unit.freeze count --for 12s")
    (used,) = cpu_s(machine, "count")
    assert used == 0
    machine.wait_until_succeeds("test $(systemctl show -P FreezerState count) = running", timeout=40)
    (used,) = cpu_s(machine, "count")
    assert used > 0.3
    machine.wait_until_succeeds(
        f'jepa history {change["id"]} --json | grep -q \'"state":"reverted"\'', timeout=60
    )
    machine.succeed("systemctl stop count")


def test_units_are_stopped_restarted_and_paused_and_put_back(machine: Machine) -> None:
    write(machine, "/run/systemd/system/web.service", "[Service]\nExecStart=/bin/sleep infinity")
    write(
        machine,
        "/run/systemd/system/nightly.timer",
        "[Timer]\nOnActiveSec=1h\nUnit=web.service\n[Install]\nWantedBy=timers.target",
    )
    machine.succeed("systemctl daemon-reload; systemctl start web nightly.timer")
    stop = act(machine, "unit.stop web")
    machine.succeed("test $(systemctl is-active web) = inactive")
    undo(machine, stop)
    machine.succeed("systemctl is-active web")
    pid = machine.succeed("systemctl show -P MainPID web")
    act(machine, "unit.restart web")
    assert machine.succeed("systemctl show -P MainPID web") != pid
    pause = act(machine, "timer.pause nightly")
    machine.succeed("test $(systemctl is-active nightly.timer) = inactive")
    undo(machine, pause)
    machine.succeed("systemctl is-active nightly.timer")
    enable = act(machine, "unit.enable nightly.timer")
    machine.succeed("systemctl is-enabled nightly.timer")
    undo(machine, enable)
    assert machine.execute("systemctl is-enabled nightly.timer").out.strip() == "disabled"
    assert "cannot be used" not in refused(machine, "unit.stop systemd-journald")
    machine.succeed("systemctl is-active systemd-journald")


@pytest.mark.slow
@pytest.mark.allow("frail.service: Failed", "it is killed to see whether it is restarted")
def test_a_service_that_fails_is_restarted_once_it_has_the_policy(machine: Machine) -> None:
    write(machine, "/etc/systemd/system/frail.service", "[Service]\nExecStart=/bin/sleep infinity")
    machine.succeed("systemctl daemon-reload; systemctl start frail")
    change = act(machine, "unit.restart_policy frail on-failure")
    pid = machine.succeed("systemctl show -P MainPID frail")
    machine.succeed("systemctl kill --signal=KILL frail")
    machine.wait_until_succeeds(
        f"systemctl is-active frail && test $(systemctl show -P MainPID frail) != {pid}", timeout=30
    )
    undo(machine, change)
    assert machine.succeed("systemctl show -P Restart frail").strip() == "no"
    assert not machine.execute("ls /etc/systemd/system/frail.service.d").out
    machine.succeed("systemctl stop frail; rm /etc/systemd/system/frail.service; systemctl daemon-reload")
