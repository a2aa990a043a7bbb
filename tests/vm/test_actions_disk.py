# SPDX-License-Identifier: Apache-2.0
"""What is set of the use of a disk by a unit or process holds under load, and ends when it is taken back."""

import time

import pytest

from tests.vm.actions import MIB, SERVICES, act, start, undo, write
from tools.vm.machine import Machine

pytestmark = [pytest.mark.vm, pytest.mark.slow, pytest.mark.actuator_only]

HELD = MIB // 2
"""Bytes a second; an emulated disk in the host's memory may do no more than some MiB."""
MEASURED_S = 6.0
SETTLED_S = 2.0
"""What was queued before is done by then."""
LOAD = """\
import mmap, os, random, sys, threading

kind, path, depth = sys.argv[1], sys.argv[2], int(sys.argv[3])
device = os.open(path, (os.O_RDONLY if kind == "read" else os.O_WRONLY) | os.O_DIRECT)
places = os.lseek(device, 0, os.SEEK_END) // 65536

def work():
    buffer, act = mmap.mmap(-1, 65536), os.preadv if kind == "read" else os.pwritev
    while True:
        act(device, [buffer], random.randrange(places) * 65536)

for _ in range(depth):
    threading.Thread(target=work).start()
"""


@pytest.fixture
def load(machine: Machine) -> str:
    """The command of a program that reads or writes at random places, past the memory."""
    write(machine, "/run/load.py", LOAD)
    machine.succeed("dd if=/dev/zero of=/var/tmp/scratch bs=1M count=32 status=none; sync")
    return "python3 /run/load.py"


def done(machine: Machine, unit: str, kind: str) -> tuple[float, int, int]:
    """Seconds since boot, and the bytes and requests that the unit has had of its disk."""
    uptime, line = machine.succeed(
        f"cut -d' ' -f1 /proc/uptime; grep \"^$(cat /sys/block/vda/dev) \" {SERVICES}/{unit}.service/io.stat"
    ).splitlines()
    counts = dict(word.split("=") for word in line.split()[1:])
    return float(uptime), int(counts[f"{kind}bytes"]), int(counts[f"{kind}ios"])


def rates(machine: Machine, unit: str, kind: str) -> tuple[float, float]:
    """Bytes and requests a second, from now on."""
    time.sleep(SETTLED_S)
    begin = done(machine, unit, kind)
    time.sleep(MEASURED_S)
    end = done(machine, unit, kind)
    seconds = end[0] - begin[0]
    return (end[1] - begin[1]) / seconds, (end[2] - begin[2]) / seconds


@pytest.mark.parametrize("kind", ["read", "write"])
def test_a_unit_is_held_to_the_rates_that_are_set(machine: Machine, load: str, kind: str) -> None:
    start(machine, "load", f"exec {load} {kind} /var/tmp/scratch 1")
    letter = kind[0]
    machine.wait_until_succeeds(f"grep -q {letter}ios=[1-9] {SERVICES}/load.service/io.stat")
    free = rates(machine, "load", letter)

    change = act(machine, f"io.{letter}bps load 512K")
    assert change["to"] == f"vda:{HELD}"
    held_bytes, _ = rates(machine, "load", letter)
    undo(machine, change)

    change = act(machine, f"io.{letter}iops load 10")
    _, held_requests = rates(machine, "load", letter)
    undo(machine, change)
    again = rates(machine, "load", letter)
    machine.say(
        f"{kind}: {free[0] / MIB:.1f} MiB/s, held to 0.5: {held_bytes / MIB:.2f}; {free[1]:.0f} requests/s, "
        f"held to 10: {held_requests:.1f}; taken back {again[0] / MIB:.1f} MiB/s, {again[1]:.0f} requests/s"
    )
    assert held_bytes == pytest.approx(HELD, rel=0.35)
    assert held_requests == pytest.approx(10, rel=0.35)
    assert min(free[0], again[0]) > 3 * HELD
    assert min(free[1], again[1]) > 30
    assert machine.succeed(f"systemctl show -P IO{kind.capitalize()}BandwidthMax load").strip() == ""


def test_a_disk_is_shared_by_the_weight_that_is_set(machine: Machine, load: str) -> None:
    machine.slow_disk(300)
    for unit in ("heavy", "light"):
        start(machine, unit, f"exec {load} read /dev/vda 8")
        machine.wait_until_succeeds(f"grep -q rios=[1-9] {SERVICES}/{unit}.service/io.stat")

    def light() -> float:
        """What part of both units' requests are those of the light one, from now on."""
        time.sleep(SETTLED_S)
        before = [done(machine, unit, "r")[2] for unit in ("light", "heavy")]
        time.sleep(MEASURED_S)
        after = [done(machine, unit, "r")[2] for unit in ("light", "heavy")]
        light, heavy = (end - begin for begin, end in zip(before, after, strict=True))
        return light / (light + heavy)

    equal = light()
    change = act(machine, "io.weight light 10")
    assert (change["from"], change["to"]) == ("default", 10)
    less = light()
    undo(machine, change)
    again = light()
    machine.say(f"share of the disk: {equal:.2f}, at a weight of 10 {less:.2f}, taken back {again:.2f}")
    assert less < 0.2
    assert min(equal, again) > 0.35


def test_a_process_of_the_idle_class_leaves_the_disk_to_others_of_its_unit(
    machine: Machine, load: str
) -> None:
    machine.slow_disk(300)
    reading = f"{load} read /dev/vda 8"
    start(machine, "pair", f"{reading} & exec {reading}")
    group = f"{SERVICES}/pair.service/cgroup.procs"
    machine.wait_until_succeeds(f"test $(wc -l < {group}) = 2")
    pids = machine.succeed(f"cat {group}").split()
    counts = "; ".join(f"grep ^read_bytes /proc/{pid}/io" for pid in pids)
    machine.wait_until_succeeds(f"test $(({counts}) | grep -c [1-9]) = 2")

    def first() -> float:
        """What part of both processes' reads are those of the first, from now on."""
        time.sleep(SETTLED_S)
        before = [int(line.split()[1]) for line in machine.succeed(counts).splitlines()]
        time.sleep(MEASURED_S)
        after = [int(line.split()[1]) for line in machine.succeed(counts).splitlines()]
        first, second = (end - begin for begin, end in zip(before, after, strict=True))
        return first / (first + second)

    equal = first()
    change = act(machine, f"process.io_class {pids[0]} idle")
    less = first()
    undo(machine, change)
    again = first()
    machine.say(f"share of the disk: {equal:.2f}, of the idle class {less:.2f}, taken back {again:.2f}")
    assert less < 0.2
    assert min(equal, again) > 0.35
