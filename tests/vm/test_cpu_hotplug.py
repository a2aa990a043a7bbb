# SPDX-License-Identifier: Apache-2.0
"""A CPU is taken off and brought back: its counters start again, and no frame may make a load of that."""

import json
from collections.abc import Iterator

import numpy as np
import pytest

from tests.vm.guest import status, wait_for_status
from tools.vm.machine import Machine

pytestmark = pytest.mark.vm

WATCH = "jepa watch --json --count 25"
USED = (
    "while :; do echo $(date +%s%N) $(grep -m 1 -o '[0-9]*$' /sys/fs/cgroup/cpu.stat) $(nproc);"
    " sleep 0.5; done >/run/used"
)
"""What all programs have used of the CPUs, which goes on when one is taken off, and how many there are."""
TOLERATED = 25.0
"""Percent: a frame and the other count are not of the same instant."""
SWITCH = "/sys/devices/system/cpu/cpu1/online"
OFFLINE = (r"smpboot: CPU 1 is now offline", "a CPU is taken off on purpose")


def frames(watched: str) -> Iterator[tuple[float, float | None]]:
    """Second and CPU utilization of each tick that `jepa watch --json` printed."""
    for line in watched.splitlines():
        message = json.loads(line)
        if "frame" in message:
            yield message["frame"]["ts_ns"] / 1e9, message["frame"]["values"]["system.cpu.utilization"]


def most_used(at_s: float, counts: np.ndarray) -> float:
    """Percent of the CPUs that can have been used in the second up to ``at_s``; NaN where it is unknown."""
    seconds, used, cpus = counts.T
    near = (seconds >= at_s - 2) & (seconds <= at_s + 1)
    if not near.any() or at_s - 1 < seconds[0] or at_s > seconds[-1]:
        return float("nan")
    begin, end = np.interp([at_s - 1, at_s], seconds, used)
    return float(100 * (end - begin) / cpus[near].min())


@pytest.mark.quiet  # what another machine takes of the host is load here
@pytest.mark.allow(*OFFLINE)
def test_frames_go_on_and_show_no_load_that_was_not_there(machine: Machine) -> None:
    before = wait_for_status(machine, "frames", 3)
    watched = machine.succeed(
        f"{USED} & used=$!; {WATCH} >/run/watched & watch=$!;"
        " while ! test -s /run/watched; do sleep 0.5; done;"
        f" for state in 0 1 0 1; do sleep 4; echo $state > {SWITCH}; done;"
        " wait $watch; kill $used; cat /run/watched",
        90,
    )
    assert machine.succeed(f"cat {SWITCH}").strip() == "1"
    counts = np.array([line.split() for line in machine.succeed("cat /run/used").splitlines()], float)
    counts *= [1e-9, 1e-6, 1]
    seen = [(at, value) for at, value in frames(watched) if value is not None]
    told = [(value, most_used(at, counts)) for at, value in seen]
    machine.say(f"CPU utilization, and the most it can be, %: {[(f'{a:.0f}', f'{b:.0f}') for a, b in told]}")
    assert len(list(frames(watched))) >= 20
    assert len(told) >= 10
    assert np.isfinite([most for _, most in told]).sum() >= 10
    assert all(0 < value <= min(most, 100) + TOLERATED for value, most in told if most == most), told
    after = status(machine)
    assert after["frames"] >= before["frames"] + 15
    assert after["missed"] - before["missed"] <= 5
