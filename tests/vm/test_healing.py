# SPDX-License-Identifier: Apache-2.0
"""Faults of a real machine are repaired when healing may act, and left alone when nothing is broken."""

import json
import time
from typing import Any

import pytest

from tests.vm.actions import write
from tools.vm.machine import Machine

pytestmark = pytest.mark.vm

SERVER = """\
import socket
server = socket.create_server(("127.0.0.1", 8000), backlog=32)
while True:
    connection, _ = server.accept()
    connection.sendall(b"well\\n")
    connection.close()
"""
HOG = """\
import os
held = []
while True:
    held.append(os.urandom(1 << 20) * 8)
"""
ASK = (
    "timeout 3 python3 -c 'import socket; print(socket.create_connection((\"127.0.0.1\", 8000), 2).recv(9))'"
)


def reports(machine: Machine, kind: str, unit: str) -> list[dict[str, Any]]:
    """The events of ``kind`` about ``unit`` in the last minutes."""
    lines = machine.succeed(f"jepa events --since 600 --kind {kind} --json", timeout=60).splitlines()
    return [event for line in lines if (event := json.loads(line))["unit"] == unit]


def wait_for_report(machine: Machine, kind: str, unit: str, timeout: float = 90) -> dict[str, Any]:
    """The first event of ``kind`` about ``unit``."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if found := reports(machine, kind, unit):
            return found[0]
        time.sleep(2)
    raise AssertionError(machine.succeed("journalctl -u jepa-healing -u jepa-actuator --no-pager -n 60"))


@pytest.fixture
def auto(machine: Machine) -> Machine:
    """A machine that may repair itself."""
    machine.succeed("jepa autonomy auto", timeout=60)
    machine.wait_for_unit("jepa-healing.service")
    return machine


@pytest.mark.allow("(shop|db).service: Failed", "it is killed to be repaired")
def test_what_crashes_and_what_it_needs_are_started_again(auto: Machine) -> None:
    write(auto, "/run/systemd/system/db.service", "[Service]\nExecStart=/bin/sleep infinity")
    write(
        auto,
        "/run/systemd/system/shop.service",
        "[Unit]\nRequires=db.service\nAfter=db.service\n[Service]\nExecStart=/bin/sleep infinity",
    )
    auto.succeed("systemctl daemon-reload; systemctl start shop; sleep 3")
    auto.succeed("systemctl kill --signal=SEGV shop")
    auto.wait_until_succeeds("systemctl is-active shop", timeout=60)
    assert "restart" in wait_for_report(auto, "repair_made", "shop.service")["detail"]
    assert wait_for_report(auto, "fault_repaired", "shop.service")
    newest = json.loads(auto.succeed("jepa history --json", timeout=60))[0]
    assert (newest["action"], newest["task"]) == ("unit.restart", "healing")


@pytest.mark.slow
@pytest.mark.allow("well.service: Failed", "it does not end while it is stopped")
def test_a_server_that_hangs_is_restarted_and_one_that_a_person_stopped_is_not(auto: Machine) -> None:
    write(auto, "/run/server.py", SERVER)
    auto.succeed("systemd-run --quiet --unit=well python3 /run/server.py")
    auto.wait_until_succeeds(ASK)
    auto.succeed("systemctl stop jepa-vision 2>/dev/null; systemctl kill --signal=STOP well")
    auto.succeed("(exec 3<>/dev/tcp/127.0.0.1/8000; sleep 120) >/dev/null 2>&1 &")
    auto.wait_until_succeeds(ASK, timeout=120)
    assert reports(auto, "fault_detected", "well.service")
    auto.succeed("systemctl stop systemd-timesyncd; sleep 15")
    assert auto.execute("systemctl is-active systemd-timesyncd").out.strip() == "inactive"
    assert not reports(auto, "fault_detected", "systemd-timesyncd.service")


@pytest.mark.slow
@pytest.mark.allow("oom|Out of memory|hog.service: Failed", "a memory hog may be killed in the end")
def test_a_memory_hog_is_stopped_before_the_machine_is(auto: Machine) -> None:
    write(auto, "/run/hog.py", HOG)
    auto.succeed("systemd-run --quiet --unit=hog python3 /run/hog.py")
    slowest = 0.0
    end = time.monotonic() + 60
    while time.monotonic() < end:
        begin = time.monotonic()
        auto.succeed("true", timeout=60)
        slowest = max(slowest, time.monotonic() - begin)
        time.sleep(0.2)
    auto.say(f"the slowest answer of the shell took {slowest:.2f} s")
    made = auto.succeed("jepa events --since 600 --kind repair_made --json", timeout=60)
    assert "hog.service" in made, auto.succeed("journalctl -u jepa-healing --no-pager -n 40")
    auto.succeed("systemctl is-active jepad jepa-telemetry jepa-healing")
    auto.execute("systemctl stop hog; systemctl reset-failed hog")


@pytest.mark.allow("frail.service: Failed", "it is killed, and nobody may repair it")
def test_unless_it_may_act_it_says_what_would_help_and_does_nothing(machine: Machine) -> None:
    machine.succeed(
        "systemd-run --quiet --unit=frail sleep infinity; sleep 3; systemctl kill --signal=SEGV frail"
    )
    proposed = wait_for_report(machine, "repair_proposed", "frail.service")
    assert "`jepa act unit.restart frail.service`" in proposed["detail"]
    assert machine.execute("systemctl is-active frail").out.strip() in ("failed", "inactive")
    machine.execute("systemctl reset-failed frail")
