# SPDX-License-Identifier: Apache-2.0
"""What a task's change came to is learned on the shipped image, kept over a crash, and forgotten."""

import json
import time
from typing import Any

import pytest

from tests.vm.actions import write
from tests.vm.test_service import KILLED
from tests.vm.test_tasks import HOG, SPEC, TIMEOUT_S, begin
from tools.vm.machine import Machine

pytestmark = [pytest.mark.vm, pytest.mark.slow]


def learned(machine: Machine) -> dict[str, Any]:
    """What `jepa learning show` prints, once jepad forecasts."""
    shown = machine.wait_until_succeeds("jepa learning show --json", timeout=TIMEOUT_S)
    found: dict[str, Any] = json.loads(shown)
    return found


@pytest.mark.allow(*KILLED)
def test_what_a_limit_came_to_is_learned_kept_and_forgotten(machine: Machine) -> None:
    assert learned(machine)["outcomes"] == 0
    machine.succeed(f"systemd-run --quiet --unit=hog --slice=background.slice sh -c '{HOG}'")
    amount = {"value": 10, "unit": "%"}
    write(machine, SPEC, json.dumps({"intent": "limit", "targets": ["background"], "amount": amount}))
    task = begin(machine)["task"]
    deadline = time.monotonic() + 60 * machine.factor
    while not (found := learned(machine))["outcomes"]:
        assert time.monotonic() < deadline, machine.succeed("jepa history --json")
        time.sleep(5)
    effect = found["effects"][0]
    assert (effect["setting"], effect["direction"]) == ("cpu.max.background", "up")
    assert abs(effect["after"]["size"] - effect["before"]["size"]) <= effect["before"]["spread"]
    assert found["used"] == 0, "one outcome decides nothing"

    machine.succeed("systemctl kill --signal=KILL --kill-whom=main jepad")
    assert learned(machine)["outcomes"] >= found["outcomes"]
    refused = machine.execute("setpriv --reuid=65534 --clear-groups jepa learning reset")
    assert refused.status == 1 and "root" in refused.out + refused.err
    assert json.loads(machine.succeed("jepa learning reset --json"))["outcomes"] == 0
    machine.succeed(f"jepa tasks end {task['id']}; systemctl stop hog", timeout=TIMEOUT_S)
