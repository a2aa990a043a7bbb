# SPDX-License-Identifier: Apache-2.0
"""A disk that says it is failing: asked by jepa-health, told by jepa-telemetry, kept by jepad."""

import pytest

from tests.vm.guest import events, wait_for_event
from tools.vm.machine import Machine

pytestmark = pytest.mark.vm

UNRELIABLE = 0x04
"""Bit of an NVMe controller's critical warning."""


def test_an_nvme_disk_that_becomes_unreliable_is_told(machine: Machine) -> None:
    machine.back("medium", 64 * 2**20)
    machine.plug("nvme", "tired", bus="bay", drive="medium", serial="1")
    machine.wait_for_file("/dev/nvme0n1")
    machine.succeed("systemctl start jepa-health", 60)
    assert [each for each in events(machine) if each["kind"] == "health_warning"] == []
    assert '"passed":true' in machine.succeed("cat /run/jepa-health/nvme0n1.json")

    machine.set("tired", smart_critical_warning=UNRELIABLE)
    machine.succeed("systemctl start jepa-health", 60)
    event = wait_for_event(machine, "health_warning", "/dev/nvme0n1")
    assert event["source"] == "health"
    assert machine.succeed("ls /run/jepa-health").split() == ["nvme0n1.json", "vda.json"]
