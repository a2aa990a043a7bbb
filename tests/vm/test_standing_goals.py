# SPDX-License-Identifier: Apache-2.0
"""Standing goals on the shipped image: advice, then approval, then auto, and nothing is left after any."""

import json

import pytest

from tests.vm.test_watch_and_power import TIMEOUT_S, WRITEBACK, until
from tools.vm.machine import Machine

pytestmark = [pytest.mark.vm, pytest.mark.slow]

GOAL = "energy-by-schedule"


def task_of(machine: Machine, goal: str) -> str:
    """The task that stands for ``goal``; empty where none does."""
    rows = json.loads(machine.succeed("jepa goal standing --json", timeout=TIMEOUT_S))
    return next(row["task"] or "" for row in rows if row["goal"] == goal)


def test_a_goal_is_advised_on_then_approved_then_kept_by_itself_and_leaves_nothing(machine: Machine) -> None:
    between = machine.succeed("date -d '1 hour ago' +%H:%M").strip()
    between += "-" + machine.succeed("date -d '3 hours' +%H:%M").strip()
    machine.succeed(f"jepa goal keep {GOAL} --between {between}", timeout=TIMEOUT_S)
    machine.succeed("jepa goal keep memory-headroom", timeout=TIMEOUT_S)
    assert task_of(machine, GOAL) == "", "advice is the default"
    watch = task_of(machine, "memory-headroom")
    assert watch and json.loads(machine.succeed("jepa grants list --json")) == [], "to tell needs no grant"
    machine.wait_until_succeeds(
        f"jepa events --since 900 --kind goal_advised --json | grep {GOAL}", timeout=240, poll=5
    )
    assert machine.succeed(WRITEBACK).strip() == "500"

    machine.succeed("jepa autonomy ask", timeout=TIMEOUT_S)
    assert task_of(machine, GOAL) == ""
    machine.succeed(f"jepa autonomy --approve {GOAL}", timeout=TIMEOUT_S)
    task = task_of(machine, GOAL)
    until(machine, task, lambda found: found["in_force"])
    assert machine.succeed(WRITEBACK).strip() == "1500"

    machine.succeed("jepa autonomy advise", timeout=TIMEOUT_S)
    until(machine, task, lambda found: found["state"] == "ended" and not found["in_force"])
    assert machine.succeed(WRITEBACK).strip() == "500"
    assert json.loads(machine.succeed("jepa grants list --json")) == []

    machine.succeed("jepa autonomy auto", timeout=TIMEOUT_S)
    task = task_of(machine, GOAL)
    until(machine, task, lambda found: found["in_force"])
    machine.succeed(f"jepa goal release {GOAL}; jepa goal release memory-headroom", timeout=TIMEOUT_S)
    until(machine, task, lambda found: found["state"] == "ended" and not found["in_force"])
    assert machine.succeed(WRITEBACK).strip() == "500"
    machine.succeed("jepa autonomy off", timeout=60)
    assert json.loads(machine.succeed("jepa grants list --json")) == []
