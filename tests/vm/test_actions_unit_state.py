# SPDX-License-Identifier: Apache-2.0
"""Units do what they are told, and what else hangs on it: at a target's start, at a timer's turn."""

import time

import pytest

from tests.vm.actions import act, refused, undo, write
from tools.vm.machine import Machine

pytestmark = [pytest.mark.vm, pytest.mark.actuator_only]

UNITS = "/etc/systemd/system"
WEB = """\
[Service]
ExecStart=/bin/bash -c 'trap "cp /run/config /run/in-use" HUP; while :; do sleep 0.2; done'
ExecReload=/bin/kill -HUP $MAINPID
[Install]
WantedBy=work.target
"""


@pytest.fixture
def web(machine: Machine) -> Machine:
    """A machine with a service that a target of its own wants once it is enabled."""
    write(machine, f"{UNITS}/web.service", WEB)
    write(machine, f"{UNITS}/work.target", "[Unit]\nDescription=Work")
    machine.succeed("systemctl daemon-reload")
    return machine


def comes_with_the_target(machine: Machine) -> bool:
    """Whether the service is started with its target, as at boot."""
    machine.succeed("systemctl start work.target")
    runs = machine.execute("systemctl is-active web").status == 0
    machine.succeed("systemctl stop work.target web")
    return runs


@pytest.mark.slow
def test_a_unit_is_started_with_its_target_once_it_is_enabled(web: Machine) -> None:
    assert not comes_with_the_target(web)
    enabled = act(web, "unit.enable web")
    assert comes_with_the_target(web)
    disabled = act(web, "unit.disable web")
    assert not comes_with_the_target(web)
    undo(web, disabled)
    assert comes_with_the_target(web)
    undo(web, enabled)
    assert not comes_with_the_target(web)


@pytest.mark.slow
def test_a_unit_is_started_and_takes_over_its_configuration_as_it_runs(web: Machine) -> None:
    started = act(web, "unit.start web")
    pid = web.succeed("systemctl show -P MainPID web")
    web.succeed("echo new > /run/config")
    act(web, "unit.reload web")
    web.wait_until_succeeds("grep -q new /run/in-use")
    assert web.succeed("systemctl show -P MainPID web") == pid
    undo(web, started)
    assert web.execute("systemctl is-active web").out.strip() == "inactive"
    web.succeed("systemd-run --quiet --unit=plain sleep infinity")
    assert "cannot reload its configuration" in refused(web, "unit.reload plain")


@pytest.mark.slow
def test_a_timer_starts_nothing_while_it_is_paused(machine: Machine) -> None:
    often = "[Unit]\nStartLimitIntervalSec=0\n"  # else systemd fails what starts six times in ten seconds
    ticks = "[Service]\nType=oneshot\nExecStart=sh -c 'echo >>/run/ticks'"
    write(machine, f"{UNITS}/tick.service", often + ticks)
    write(machine, f"{UNITS}/tick.timer", "[Timer]\nOnActiveSec=1s\nOnUnitInactiveSec=1s\nAccuracySec=100ms")
    machine.succeed("systemctl daemon-reload; systemctl start tick.timer")
    machine.wait_until_succeeds("test $(wc -l < /run/ticks) -ge 2")
    change = act(machine, "timer.pause tick")
    machine.wait_until_succeeds("test $(systemctl is-active tick.service) = inactive")
    there = machine.succeed("wc -l < /run/ticks")
    time.sleep(0.5 * machine.factor)
    assert machine.succeed("wc -l < /run/ticks") == there
    undo(machine, change)
    machine.wait_until_succeeds(f"test $(wc -l < /run/ticks) -gt {there.strip()}")
    machine.succeed("systemctl stop tick.timer; systemd-run --quiet --unit=brief --on-active=1h true")
    assert "brief.timer is transient" in refused(machine, "timer.pause brief")
