# SPDX-License-Identifier: Apache-2.0
"""The machine goes into the kind of sleep that was set."""

import pytest

from tests.vm.actions import act, undo
from tools.vm.machine import Machine

pytestmark = [pytest.mark.vm, pytest.mark.actuator_only]


def kind_of_sleep(machine: Machine) -> str:
    """What the kernel goes into when it is suspended: it stops programs, and lets them run on after 5 s."""
    machine.succeed("echo freezer >/sys/power/pm_test; echo mem >/sys/power/state")
    entries = machine.succeed("dmesg | grep -o 'suspend entry (.*)'").splitlines()
    return entries[-1].partition("(")[2].rstrip(")")


@pytest.mark.allow("suspend|Freezing|freezing|Restarting|OOM killer", "it is suspended on purpose")
def test_it_is_the_one_that_was_set(machine: Machine) -> None:
    usual = kind_of_sleep(machine)
    other = "s2idle" if usual == "deep" else "deep"
    change = act(machine, f"sleep.mode {other}")
    assert kind_of_sleep(machine) == other
    undo(machine, change)
    assert kind_of_sleep(machine) == usual
