# SPDX-License-Identifier: Apache-2.0
"""A CPU is taken off and brought back: its counters start again, and no frame may make a load of that."""

import json
from collections.abc import Iterator

import pytest

from tests.vm.guest import status, wait_for_status
from tools.vm.machine import Machine

pytestmark = pytest.mark.vm

WATCH = "jepa watch --json --count 25"
SWITCH = "/sys/devices/system/cpu/cpu1/online"
OFFLINE = (r"smpboot: CPU 1 is now offline", "a CPU is taken off on purpose")


def frames(watched: str) -> Iterator[dict[str, float | None]]:
    """The channels of each tick that `jepa watch --json` printed."""
    for line in watched.splitlines():
        message = json.loads(line)
        if "frame" in message:
            yield message["frame"]["values"]


@pytest.mark.quiet  # what another machine takes of the host is load here
@pytest.mark.allow(*OFFLINE)
def test_frames_go_on_and_show_no_load_that_was_not_there(machine: Machine) -> None:
    before = wait_for_status(machine, "frames", 3)
    watched = machine.succeed(
        f"{WATCH} >/run/watched & for state in 0 1 0 1; do sleep 4; echo $state > {SWITCH}; done; wait $!;"
        " cat /run/watched",
        60,
    )
    assert machine.succeed(f"cat {SWITCH}").strip() == "1"
    used = [values["system.cpu.utilization"] for values in frames(watched)]
    known = [value for value in used if value is not None]
    machine.say(f"CPU utilization, %: {used}")
    assert len(used) >= 20
    assert len(known) >= len(used) // 2, used
    assert all(0 < value < 100 for value in known), used
    after = status(machine)
    assert after["frames"] >= before["frames"] + 15
    assert after["missed"] - before["missed"] <= 5
