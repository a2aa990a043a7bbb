# SPDX-License-Identifier: Apache-2.0
"""A captured state is made so again where a setting does it, and refused with the reason where none can."""

import json
import time
from typing import Any, Final

import numpy as np
import pytest

from jepa.packs.pack import load_pack
from jepa.packs.places import default_pack_dir
from jepa.world.scale import Scale
from tools.vm.machine import Machine, Say

pytestmark = [pytest.mark.vm, pytest.mark.slow]

OVER_S: Final = 15
SETTLED_S: Final = 20
"""After a change, until all frames of a capture are of what it came to."""
FORGOTTEN_S: Final = 31
"""A setting that was changed is left alone so long."""
SLOW_S: Final = 200
FREEZER: Final = "/sys/fs/cgroup/background.slice/cgroup.freeze"
HALF: Final = "while :; do i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; sleep 0.15; done"
"""Uses a CPU for about half of the time; jepad has to keep up with the machine, also under emulation."""
STEERED: Final = ("system.role.", "system.cpu.", "system.pressure.")
State = dict[str, float]


def start(machine: Machine, unit: str, group: str) -> None:
    machine.succeed(f"systemd-run --quiet --unit={unit} --slice={group} sh -c '{HALF}'")


def capture(machine: Machine, name: str) -> State:
    time.sleep(SETTLED_S + OVER_S)
    (goal,) = json.loads(
        machine.succeed(f"jepa goal capture {name} --over {OVER_S}s --json", timeout=SLOW_S)
    )
    return {channel: mean for channel, (mean, _) in goal["channels"].items()}


def reach(machine: Machine, name: str) -> dict[str, Any]:
    plan: dict[str, Any] = json.loads(machine.execute(f"jepa goal reach {name} --json", timeout=SLOW_S).out)
    return plan


def apart(one: State, other: State) -> float:
    """How far two states lie from each other, on the unit scale, summed over what a state is steered by."""
    schema = load_pack(default_pack_dir()).schema
    rows = [
        np.array([state.get(name, np.nan) for name in schema.names], np.float32) for state in (one, other)
    ]
    away = np.abs(np.subtract(*(Scale(schema).to_unit(row) for row in rows)))
    steered = np.array([name.startswith(STEERED) for name in schema.names])
    return float(np.nansum(away[steered]))


def test_a_state_is_reached_where_a_setting_does_it_and_refused_where_a_program_is_missing(
    machine: Machine, say: Say
) -> None:
    start(machine, "fore", "user.slice")
    start(machine, "hog", "background.slice")
    busy = capture(machine, "busy")
    machine.succeed(f"echo 1 > {FREEZER}")
    calm = capture(machine, "calm")
    machine.succeed(f"echo 0 > {FREEZER}")
    before = capture(machine, "before")
    time.sleep(FORGOTTEN_S)

    plan = reach(machine, "calm")
    assert [(step["action"], step["target"]) for step in plan["steps"]] == [
        ("unit.freeze", "background.slice")
    ]
    machine.succeed(f"jepa apply {plan['id']} --yes --json", timeout=SLOW_S)
    after = capture(machine, "after")
    say(f"calm: {apart(calm, before):.2f} away before, {apart(calm, after):.2f} after")
    assert apart(calm, after) < apart(calm, before) / 2
    machine.succeed("jepa undo", timeout=SLOW_S)
    assert machine.succeed(f"cat {FREEZER}").strip() == "0"

    machine.succeed("systemctl stop hog")
    time.sleep(FORGOTTEN_S + SETTLED_S)
    plan = reach(machine, "busy")
    assert plan["steps"] == [] and plan["verdict"]["decision"] == "deny"
    first, *reasons = plan["verdict"]["reasons"]
    assert first.startswith("busy cannot be reached")
    assert any("system.role.background.cpu" in reason for reason in reasons), reasons
    say(f"busy: {apart(busy, after):.2f} away from what is frozen")
