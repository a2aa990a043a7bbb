# SPDX-License-Identifier: Apache-2.0
"""Memory that is protected stays while others give theirs."""

import pytest

from tests.vm.actions import GROUPS, MIB, act, number, start, undo, write
from tools.vm.machine import Machine

pytestmark = [pytest.mark.vm, pytest.mark.actuator_only]

UNITS = ("first", "second")
HOLD = """\
import time
held = bytes([7]) * (96 << 20)
time.sleep(9999)
"""


def squeezed(machine: Machine, slice_: str, setting: str = "", of: str = "") -> dict[str, float]:
    """MiB that two services of 100 MiB hold once both may have 150; ``setting`` protects one, ``of``."""
    for unit in UNITS:
        start(machine, f"{slice_}-{unit}", "exec python3 -IS /run/hold.py", f"Slice={slice_}.slice")
    groups = {unit: f"/{slice_}.slice/{slice_}-{unit}.service" for unit in UNITS}
    for group in groups.values():
        machine.wait_until_succeeds(f"test $(cat {GROUPS}{group}/memory.current) -gt {96 * MIB}")
    if setting:
        act(machine, f"{setting} {slice_}-{of} 120M")
    high = act(machine, f"memory.high {slice_}.slice 150M")
    machine.wait_until_succeeds(f"test $(cat {GROUPS}/{slice_}.slice/memory.current) -le {156 * MIB}")
    found = {unit: number(machine, group, "memory.current") / MIB for unit, group in groups.items()}
    undo(machine, high)
    machine.succeed(f"systemctl stop {slice_}.slice")
    return found


@pytest.mark.parametrize("setting", ["memory.low", pytest.param("memory.min", marks=pytest.mark.slow)])
def test_protected_memory_stays_while_others_give_theirs(machine: Machine, setting: str) -> None:
    write(machine, "/run/hold.py", HOLD)
    plain = squeezed(machine, "plain")
    giver = min(plain, key=lambda unit: plain[unit])  # the kernel takes from one first, and which is chance
    guarded = squeezed(machine, "guarded", setting, giver)
    machine.say(f"{giver} holds {plain[giver]:.0f} MiB, with {setting} {guarded[giver]:.0f}")
    assert plain[giver] < 80
    assert guarded[giver] > 96
    assert sum(guarded.values()) < 160, "the other one gives"
