# SPDX-License-Identifier: Apache-2.0
"""Memory that is protected stays while others give theirs."""

import pytest

from tests.vm.actions import GROUPS, MIB, act, number, start, undo, write
from tools.vm.machine import Machine

pytestmark = pytest.mark.vm

HOLD = """\
import time
held = bytes([7]) * (96 << 20)
time.sleep(9999)
"""


def squeezed(machine: Machine, slice_: str, setting: str = "") -> tuple[float, float]:
    """MiB that two services of 100 MiB hold once both may have 150; ``setting`` protects the first."""
    for unit in ("first", "second"):
        start(machine, f"{slice_}-{unit}", "exec python3 -IS /run/hold.py", f"Slice={slice_}.slice")
    first, second = (f"/{slice_}.slice/{slice_}-{unit}.service" for unit in ("first", "second"))
    for group in (first, second):
        machine.wait_until_succeeds(f"test $(cat {GROUPS}{group}/memory.current) -gt {96 * MIB}")
    if setting:
        act(machine, f"{setting} {slice_}-first 120M")
    high = act(machine, f"memory.high {slice_}.slice 150M")
    machine.wait_until_succeeds(f"test $(cat {GROUPS}/{slice_}.slice/memory.current) -le {156 * MIB}")
    found = (number(machine, first, "memory.current") / MIB, number(machine, second, "memory.current") / MIB)
    undo(machine, high)
    machine.succeed(f"systemctl stop {slice_}.slice")
    return found


@pytest.mark.parametrize("setting", ["memory.low", pytest.param("memory.min", marks=pytest.mark.slow)])
def test_protected_memory_stays_while_others_give_theirs(machine: Machine, setting: str) -> None:
    write(machine, "/run/hold.py", HOLD)
    either, other = squeezed(machine, "plain")
    kept, given = squeezed(machine, "guarded", setting)
    machine.say(f"stays: {either:.0f} and {other:.0f} MiB; with {setting} {kept:.0f} and {given:.0f} MiB")
    assert max(either, other) < 96
    assert kept > 96
    assert given < 60
