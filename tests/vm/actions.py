# SPDX-License-Identifier: Apache-2.0
"""Changes of a machine as several tests make them: with `jepa act` and `jepa undo`."""

import json
from typing import Any

from tools.vm.machine import Machine

TIMEOUT_S = 60
GROUPS = "/sys/fs/cgroup"
SERVICES = f"{GROUPS}/system.slice"
"""Where the control groups of services are that name no slice of their own."""
MIB = 2**20


def act(machine: Machine, words: str) -> dict[str, Any]:
    """The row of the history of `jepa act WORDS`, which must do it."""
    change: dict[str, Any] = json.loads(machine.succeed(f"jepa act {words} --yes --json", timeout=TIMEOUT_S))
    assert change["state"] == "committed", change
    return change


def undo(machine: Machine, change: dict[str, Any]) -> None:
    """Take it back."""
    machine.succeed(f"jepa undo {change['id']}", timeout=TIMEOUT_S)


def refused(machine: Machine, words: str) -> str:
    """What `jepa act WORDS` says, which must not do it."""
    answer = machine.fail(f"jepa act {words} --yes", timeout=TIMEOUT_S)
    return f"{answer.out}{answer.err}"


def write(machine: Machine, path: str, text: str) -> None:
    """Put a file with ``text`` there."""
    machine.succeed(f"cat > {path} <<'END-OF-FILE'\n{text.rstrip()}\nEND-OF-FILE")


def start(machine: Machine, unit: str, command: str, *properties: str) -> None:
    """Run ``command`` of the shell as a service."""
    words = " ".join(f"-p {each}" for each in properties)
    machine.succeed(f"systemd-run --quiet --unit={unit} {words} sh -c '{command}'")


def number(machine: Machine, group: str, file: str) -> int:
    """The number in a file of a control group: a service by its name, any other by its path."""
    place = f"{GROUPS}{group}" if group.startswith("/") else f"{SERVICES}/{group}.service"
    return int(machine.succeed(f"cat {place}/{file}"))
