# SPDX-License-Identifier: Apache-2.0
"""What a person is told after a boot: nothing that every boot has."""

import json
import time

import pytest

from tests.vm.guest import STATE, events, part, status
from tools.vm.machine import Machine

pytestmark = [pytest.mark.vm, pytest.mark.slow]

QUIET_S = 300
"""Uptime before which nothing may be told."""


def up(machine: Machine) -> tuple[float, int]:
    """Seconds since boot, and the guest's clock in ns."""
    uptime, _, clock = machine.succeed("cat /proc/uptime; date +%s%N").split()
    return float(uptime), int(clock)


def test_an_ordinary_boot_gives_no_alert(machine: Machine) -> None:
    uptime, now_ns = up(machine)
    while uptime < QUIET_S:
        time.sleep(min(20.0, QUIET_S - uptime))
        uptime, now_ns = up(machine)
    # What an emulated machine is told afterwards may well be right: it is slow, and busy with the question.
    until_ns = now_ns - (uptime - QUIET_S) * 1e9
    assert [each for each in events(machine) if each["source"] == "model" and each["ts_ns"] < until_ns] == []
    assert part(status(machine), "alerts")["state"] == "ok"


def test_what_alerts_came_to_outlives_a_restart(machine: Machine) -> None:
    machine.succeed("systemctl stop jepad", 60)
    before = json.loads(machine.succeed(f"cat {STATE}/alerts.json"))
    assert before["alerts"]["cpu_saturation"]["counts"]["watched_s"] > 0
    machine.succeed("systemctl start jepad", 60)
    machine.wait_until_succeeds("jepa forecast --json")
    machine.succeed("systemctl stop jepad", 60)
    after = json.loads(machine.succeed(f"cat {STATE}/alerts.json"))
    watched = [each["alerts"]["cpu_saturation"]["counts"]["watched_s"] for each in (before, after)]
    assert watched[0] < watched[1]
