# SPDX-License-Identifier: Apache-2.0
"""Roles on the shipped image: a group's use counts for its role, and moves with it while running."""

import time

import pytest

from tests.vm.guest import next_frame
from tools.vm.machine import Machine

pytestmark = pytest.mark.vm

RULES = '[[role]]\\nrole = "%s"\\ncgroups = ["background.slice"]\\n'


def test_a_busy_group_counts_for_its_role_and_moves_with_it(machine: Machine) -> None:
    machine.succeed("systemd-run --unit=busy --slice=background.slice sh -c 'while :; do :; done'")
    wait_for_cpu(machine, "background")
    machine.succeed(
        f"mkdir -p /run/jepa-roles; printf '{RULES % 'foreground'}' > /run/jepa-roles/roles.toml"
    )
    wait_for_cpu(machine, "foreground")
    values = next_frame(machine)
    assert values["system.role.foreground.run_queue.latency.p99"] is not None, "the programs know it too"
    assert not values["system.role.background.cpu"]
    machine.succeed("systemctl stop busy")


def wait_for_cpu(machine: Machine, role: str) -> None:
    """Wait until ``role`` uses most of a CPU of the two."""
    deadline = time.monotonic() + 20 * machine.factor
    while ((cpu := next_frame(machine)[f"system.role.{role}.cpu"]) or 0) < 15:
        assert time.monotonic() < deadline, f"{role} uses {cpu} %"
        time.sleep(1)
