# SPDX-License-Identifier: Apache-2.0
"""A task stands on the shipped image: it acts, outlives jepad, gives way to a person, and leaves nothing."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.vm.actions import write
from tests.vm.test_service import KILLED
from tools.vm.machine import Machine

pytestmark = [pytest.mark.vm, pytest.mark.slow]

SPEC = "/run/limit.json"
QUOTA = "cat /sys/fs/cgroup/background.slice/cpu.max"
CPU = "system.role.background.cpu"
HOG = "while :; do i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; sleep 0.15; done"
"""Uses a CPU for half of the time: jepad has to keep up with the machine, also under emulation."""
TIMEOUT_S = 150


def until(machine: Machine, task: str, done: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """The task once it is ``done``; AssertionError with what it is instead."""
    deadline = time.monotonic() + 60 * machine.factor
    while True:
        answer = machine.execute(f"jepa tasks {task} --json", timeout=TIMEOUT_S)
        found: dict[str, Any] = json.loads(answer.out)["task"] if answer.status == 0 else {}
        if found and done(found):
            return found
        assert time.monotonic() < deadline, found or answer.err
        time.sleep(1)


def begin(machine: Machine) -> dict[str, Any]:
    """What `jepa do` prints, once the model has seen enough of the machine to plan."""
    deadline = time.monotonic() + 120 * machine.factor
    while True:
        answer = machine.execute(f"jepa do --spec {SPEC} --yes --json", timeout=TIMEOUT_S)
        if answer.status == 0:
            done: dict[str, Any] = json.loads(answer.out)
            return done
        assert time.monotonic() < deadline, answer.out + answer.err
        time.sleep(2)


@pytest.mark.allow(*KILLED)
def test_a_limit_stands_outlives_jepad_and_gives_way(machine: Machine) -> None:
    machine.succeed(f"systemd-run --quiet --unit=hog --slice=background.slice sh -c '{HOG}'")
    amount = {"value": 10, "unit": "%"}
    write(machine, SPEC, json.dumps({"intent": "limit", "targets": ["background"], "amount": amount}))
    done = begin(machine)
    task = done["task"]
    assert (task["state"], len(task["in_force"])) == ("active", 1), done
    assert machine.succeed(QUOTA).split() == ["10000", "100000"]
    (change,) = done["history"]
    low, _, high = change["predicted"][CPU]
    assert low <= change["observed"][CPU] <= high + 1, "the kernel keeps a quota over its own periods"
    assert (change["task"], change["plan"], change["state"]) == (
        task["id"],
        done["plan"]["hash"],
        "committed",
    )
    assert 0 < change["left_s"] <= 600, "nothing stays for longer when nobody looks after it"
    assert f"jepa-revert-{change['id']}" in machine.succeed("systemctl list-timers --no-pager")

    machine.succeed("systemctl kill --signal=KILL --kill-whom=main jepad")
    found = until(machine, task["id"], lambda task: task["in_force"])
    assert found["state"] == "active", "it goes on with what is in force"
    ended = json.loads(machine.succeed(f"jepa tasks end {task['id']} --json", timeout=TIMEOUT_S))
    assert (ended["task"]["state"], ended["task"]["in_force"]) == ("ended", [])
    assert machine.succeed(QUOTA).split()[0] == "max"
    assert json.loads(machine.succeed("jepa grants list --json")) == []

    task = begin(machine)["task"]
    machine.succeed("systemctl set-property --runtime background.slice CPUQuota=70%")
    found = until(machine, task["id"], lambda task: task["left"])
    assert found["left"] == [["cpu.max", "background.slice"]]
    machine.succeed(f"jepa tasks end {task['id']}", timeout=TIMEOUT_S)
    assert machine.succeed(QUOTA).split()[0] == "70000", "what a person set is theirs"
    machine.succeed("systemctl stop hog")
