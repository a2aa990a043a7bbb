# SPDX-License-Identifier: Apache-2.0
"""On the shipped image a watch restarts what fails, and power is saved only while a condition holds."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.vm.actions import write
from tools.vm.machine import Machine

pytestmark = [pytest.mark.vm, pytest.mark.slow]

WRITEBACK = "cat /proc/sys/vm/dirty_writeback_centisecs"
TIMEOUT_S = 150


def do(machine: Machine, spec: dict[str, Any]) -> dict[str, Any]:
    """What `jepa do` prints."""
    write(machine, "/run/spec.json", json.dumps(spec))
    done: dict[str, Any] = json.loads(
        machine.succeed("jepa do --spec /run/spec.json --yes --json", timeout=TIMEOUT_S)
    )
    return done


def until(machine: Machine, task: str, done: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """The task once it is ``done``; AssertionError with what it is instead."""
    deadline = time.monotonic() + 60 * machine.factor
    while True:
        found: dict[str, Any] = json.loads(machine.succeed(f"jepa tasks {task} --json", timeout=TIMEOUT_S))
        if done(found["task"]):
            return found
        assert time.monotonic() < deadline, found
        time.sleep(1)


def kinds(machine: Machine, task: str) -> list[str]:
    """The kinds of the events of a task, the oldest first."""
    lines = machine.succeed("jepa events --since 900 --json", timeout=60).splitlines()
    return [event["kind"] for line in lines if task in ((event := json.loads(line))["detail"] or "")]


@pytest.mark.allow("shop.service: Failed", "it is killed to be restarted")
def test_a_watch_restarts_what_fails_within_its_grant_and_tells_without_one(machine: Machine) -> None:
    write(machine, "/run/systemd/system/shop.service", "[Service]\nExecStart=/bin/sleep infinity")
    machine.succeed("systemctl daemon-reload; systemctl start shop")
    told = do(machine, {"intent": "watch", "targets": ["shop"]})["task"]
    assert (told["grant"], told["state"]) == ("", "active")
    assert json.loads(machine.succeed("jepa grants list --json")) == [], "to be told changes nothing"
    machine.succeed("systemctl kill --signal=SEGV shop")
    until(machine, told["id"], lambda task: any("fails" in note for note in task["notes"]))
    time.sleep(10)
    assert machine.execute("systemctl is-failed shop").out.strip() == "failed", "nobody asked for more"

    task = do(machine, {"intent": "watch", "operation": "restart", "targets": ["shop"]})["task"]
    machine.wait_until_succeeds("systemctl is-active shop", timeout=60)
    found = until(machine, task["id"], lambda task: task["changes"])
    assert [row["action"] for row in found["history"]] == ["unit.restart"]
    assert kinds(machine, task["id"])[:2] == ["watch_began", "watch_acted"]
    until(machine, told["id"], lambda task: "No longer" in task["notes"][-1])
    machine.succeed(f"jepa tasks end {task['id']}", timeout=TIMEOUT_S)
    assert json.loads(machine.succeed("jepa grants list --json")) == []
    machine.succeed("systemctl kill --signal=SEGV shop; sleep 15")
    assert machine.execute("systemctl is-failed shop").out.strip() == "failed", "its end is its end"
    machine.succeed(f"systemctl reset-failed shop; jepa tasks end {told['id']}", timeout=TIMEOUT_S)


@pytest.mark.allow("gate.service: Failed", "its failure is the condition")
def test_power_is_saved_while_the_condition_holds_and_put_back_after(machine: Machine) -> None:
    before = machine.succeed(WRITEBACK).strip()
    assert before == "500"
    condition = {"kind": "failed", "targets": ["gate.service"]}
    done = do(machine, {"intent": "power", "operation": "save", "condition": condition})
    task = done["task"]
    assert task["waits"] == "gate.service fails" and done["history"] == []
    assert [step["to"] for step in done["plan"]["steps"]] == [1500], "a virtual machine has no more to set"
    assert machine.succeed(WRITEBACK).strip() == before

    machine.execute("systemd-run --quiet --unit=gate false")
    found = until(machine, task["id"], lambda task: task["in_force"])["task"]
    assert machine.succeed(WRITEBACK).strip() == "1500"
    assert found["waits"] == "" and 0 < found["in_force"][0]["left_s"] <= 600
    machine.succeed("systemctl reset-failed gate")
    until(machine, task["id"], lambda task: task["waits"])
    assert machine.succeed(WRITEBACK).strip() == before, "what held only then is taken back"

    machine.execute("systemd-run --quiet --unit=gate false")
    until(machine, task["id"], lambda task: task["in_force"])
    machine.succeed("echo 700 > /proc/sys/vm/dirty_writeback_centisecs")
    found = until(machine, task["id"], lambda task: task["left"])["task"]
    assert found["left"] == [["vm.dirty_writeback_centisecs", ""]]
    machine.succeed(f"jepa tasks end {task['id']}", timeout=TIMEOUT_S)
    assert machine.succeed(WRITEBACK).strip() == "700", "what a person set is theirs"
    machine.succeed("systemctl reset-failed gate; echo 500 > /proc/sys/vm/dirty_writeback_centisecs")
