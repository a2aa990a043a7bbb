# SPDX-License-Identifier: Apache-2.0
"""What a change hangs on goes, is replaced or does not answer: one sentence tells it, and nothing stays."""

import time

import pytest

from tests.vm.actions import TIMEOUT_S, act, refused, undo, write
from tools.vm.machine import Machine

pytestmark = [pytest.mark.vm, pytest.mark.slow]

UNITS = "/run/systemd/system"
SERVICE = "[Service]\nExecStart=/bin/sleep infinity"


def service(machine: Machine, name: str) -> None:
    """Start a service that has a unit file."""
    write(machine, f"{UNITS}/{name}.service", SERVICE)
    machine.succeed(f"systemctl daemon-reload; systemctl start {name}")


def weight(machine: Machine, name: str) -> str:
    """What systemd has, empty where it is not set."""
    return machine.succeed(f"systemctl show -P CPUWeight {name}").strip().replace("[not set]", "")


def outcome(machine: Machine, change: dict[str, str]) -> str:
    """What the history says of a change that was taken back."""
    return machine.succeed(f"jepa undo {change['id']}; jepa history {change['id']}", TIMEOUT_S)


def test_a_unit_that_ends_or_is_made_anew_in_the_middle(machine: Machine) -> None:
    machine.succeed("systemd-run --quiet --unit=brief sleep infinity")
    service(machine, "again")
    gone = act(machine, "cpu.weight brief 50")
    weighed = act(machine, "cpu.weight again 50")  # of a frozen unit systemd would only note it
    frozen = act(machine, "unit.freeze again")
    machine.succeed("systemctl stop brief; systemctl thaw again; systemctl restart again")
    assert "nothing was left to take back: brief.service is gone." in outcome(machine, gone)
    assert "again.service was started anew meanwhile." in outcome(machine, frozen)
    assert weight(machine, "again") == "50"  # the property outlives a start, and is taken back
    undo(machine, weighed)
    assert weight(machine, "again") == ""

    change = act(machine, "cpu.weight again 50")
    machine.succeed(f"systemctl stop again; rm {UNITS}/again.service; systemctl daemon-reload")
    assert "nothing was left to take back: again.service is gone." in outcome(machine, change)
    service(machine, "again")
    assert weight(machine, "again") == ""


def test_a_unit_that_is_masked_or_renamed_in_the_middle(machine: Machine) -> None:
    service(machine, "web")
    weighed, stopped = act(machine, "cpu.weight web 50"), act(machine, "unit.stop web")
    machine.succeed("systemctl mask web")
    for change in (stopped, weighed):
        said = machine.fail(f"jepa undo {change['id']}", TIMEOUT_S)
        assert "The unit web.service is masked. `systemctl unmask` it first." in f"{said.out}{said.err}"
    assert "The unit web.service is masked." in refused(machine, "cpu.weight web 60")
    machine.succeed("systemctl unmask web")
    undo(machine, stopped)
    undo(machine, weighed)
    assert machine.succeed("systemctl is-active web").strip() == "active"
    assert weight(machine, "web") == ""

    weighed = act(machine, "cpu.weight web 50")
    machine.succeed(f"mv {UNITS}/web.service {UNITS}/net.service; systemctl daemon-reload")
    undo(machine, weighed)  # it runs still, under the name that it was started by
    assert machine.succeed("cat /sys/fs/cgroup/system.slice/web.service/cpu.weight").strip() == "100"
    assert not machine.execute("ls -d /run/systemd/system.control/web.service.d").out


@pytest.mark.allow("dbus|Bus|bus|logind|networkd|resolved|timesyncd|polkit", "the message bus is stopped")
def test_without_the_message_bus_root_goes_on_and_persons_are_told(machine: Machine) -> None:
    service(machine, "web")
    machine.succeed("echo 'ann:x:4711:4711::/:/bin/sh' >>/etc/passwd; jepa history", TIMEOUT_S)
    machine.succeed("systemctl stop dbus.socket dbus.service polkit.service")
    change = act(machine, "cpu.weight web 50 --for 10m")
    assert weight(machine, "web") == "50"
    undo(machine, change)
    assert weight(machine, "web") == ""
    ann = "setpriv --reuid 4711 --regid 4711 --clear-groups"
    said = machine.fail(f"{ann} jepa act cpu.weight web 50 --yes", TIMEOUT_S).err
    assert "polkit, which says who may do what, does not answer" in said
    assert weight(machine, "web") == ""
    machine.succeed("systemctl start dbus.socket; systemctl reset-failed")


def test_where_sys_is_read_only_it_is_said(machine: Machine) -> None:
    machine.succeed("systemctl stop jepa-actuator; mount -o remount,ro /sys")
    device = machine.succeed("basename $(readlink -f /sys/block/vda/device/..)").strip()
    said = refused(machine, f"device.power {device} on")
    assert "Devices cannot be changed here: /sys is mounted read-only." in said
    said = machine.succeed("jepa actions zswap.max_pool_percent", TIMEOUT_S)
    assert "zswap.max_pool_percent cannot be set here" in said and "is mounted read-only." in said
    machine.succeed("mount -o remount,rw /sys")


def test_a_clock_that_is_set_back_makes_no_change_last_longer(machine: Machine) -> None:
    old = machine.succeed("sysctl -n vm.swappiness").strip()
    begin = time.monotonic()
    change = act(machine, "vm.swappiness 11 --for 25s")
    machine.succeed("date --set='-3 hours'")
    another = act(machine, "vm.page-cluster 1")  # a request is as young as before
    machine.wait_until_succeeds(f"test $(sysctl -n vm.swappiness) = {old}", 60)
    machine.say(f"taken back {time.monotonic() - begin:.0f} s after it was asked for")
    machine.wait_until_succeeds(f"jepa history {change['id']} --json | grep -q reverted", 60)
    undo(machine, another)
