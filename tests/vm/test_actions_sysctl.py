# SPDX-License-Identifier: Apache-2.0
"""Kernel parameters change how the machine works under load, and back."""

import json
import re

import pytest

from tests.vm.actions import TIMEOUT_S, act, refused, undo, write
from tools.vm.machine import Machine

pytestmark = [pytest.mark.vm, pytest.mark.actuator_only]

WRITE = """\
sync
(dd if=/dev/zero of=/var/tmp/written bs=1M count=160 2>/dev/null; touch /run/written) &
most=0
while ! test -e /run/written; do
    read -r _ dirty _ < <(grep ^Dirty: /proc/meminfo)
    [ "$dirty" -gt $most ] && most=$dirty
done
rm /run/written /var/tmp/written
echo $most
"""
CONNECT = """\
import socket
server = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(server.getsockname())
print(client.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).rstrip(bytes(1)).decode())
"""


def most_dirty_mib(machine: Machine) -> float:
    """The most data that waits to be written while a program writes 160 MiB."""
    write(machine, "/run/write.sh", WRITE)
    return int(machine.succeed("bash /run/write.sh", timeout=120)) / 1024


def test_writers_wait_for_the_disk_as_the_limit_says(machine: Machine) -> None:
    before = machine.succeed("cat /proc/sys/vm/dirty_ratio /proc/sys/vm/dirty_bytes")
    free = most_dirty_mib(machine)
    change = act(machine, "vm.dirty_bytes 16M --for 10m")
    assert change["from"] == "20%"
    bound = most_dirty_mib(machine)
    undo(machine, change)
    assert machine.succeed("cat /proc/sys/vm/dirty_ratio /proc/sys/vm/dirty_bytes") == before
    machine.say(f"waiting to be written: {free:.0f} MiB, with vm.dirty_bytes 16M {bound:.0f} MiB")
    assert free > 60
    assert bound < 24


def test_new_connections_use_the_congestion_control_that_is_set(machine: Machine) -> None:
    change = act(machine, "net.ipv4.tcp_congestion_control reno --for 10m")
    write(machine, "/run/connect.py", CONNECT)
    assert machine.succeed("python3 -IS /run/connect.py").strip() == "reno"
    undo(machine, change)
    assert machine.succeed("python3 -IS /run/connect.py").strip() == "cubic"


@pytest.mark.slow
@pytest.mark.shipped_kernel
def test_bbr_is_loaded_at_boot_since_the_actuator_may_load_no_module(machine: Machine) -> None:
    machine.succeed("systemctl restart systemd-modules-load")  # as at boot, where sources were pushed later
    write(machine, "/run/connect.py", CONNECT)
    change = act(machine, "net.ipv4.tcp_congestion_control bbr --for 10m")
    assert machine.succeed("python3 -IS /run/connect.py").strip() == "bbr"
    undo(machine, change)
    assert machine.succeed("python3 -IS /run/connect.py").strip() == "cubic"
    machine.wait_until_succeeds("modprobe --remove tcp_bbr")
    said = refused(machine, "net.ipv4.tcp_congestion_control bbr")
    assert "bbr is not loaded, and the actuator may load none. Load it with `modprobe tcp_bbr`" in said


def test_the_image_has_every_parameter_or_says_why_not(machine: Machine) -> None:
    actions = json.loads(machine.succeed("jepa actions --json", timeout=TIMEOUT_S))
    missing = {
        each["name"]: each["missing"] for each in actions if re.match(r"(vm|kernel|net)\.", each["name"])
    }
    assert len(missing) >= 30
    assert {name for name, reason in missing.items() if reason} <= {
        "kernel.nmi_watchdog",  # the machine's CPU counts no events
        "kernel.numa_balancing",
        "kernel.task_delayacct",
        "net.core.default_qdisc",  # the right for these is more than they are worth
    }, missing
