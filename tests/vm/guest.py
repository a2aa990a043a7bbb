# SPDX-License-Identifier: Apache-2.0
"""Questions about JEPA OS that several tests put to a machine."""

import json
import time
from typing import Any

from tools.vm.machine import Machine

STATE = "/var/lib/jepa"
_TIMES = """\
import sys
sys.path.insert(0, "/usr/lib/jepa")
from jepa.service.client import connect
print(*(frame.ts_ns for frame in connect().frames(limit=300)))
"""


def status(machine: Machine) -> dict[str, Any]:
    """What `jepa status --json` prints."""
    answer: dict[str, Any] = json.loads(machine.succeed("jepa status --json"))
    return answer


def wait_for_status(machine: Machine, key: str, least: int, timeout: float = 30) -> dict[str, Any]:
    """The first status whose ``key`` is at least ``least``; AssertionError with the last one."""
    deadline = time.monotonic() + timeout * machine.factor
    while True:
        answer = machine.execute("jepa status --json")
        found: dict[str, Any] = json.loads(answer.out) if answer.status == 0 else {}
        if found and found[key] >= least:
            return found
        assert time.monotonic() < deadline, f"{key} never reached {least}: {found or answer.err}"
        time.sleep(1)


def part(found: dict[str, Any], name: str) -> dict[str, str]:
    """The part called ``name`` of a status."""
    return next(part for part in found["parts"] if part["name"] == name)


def essential_faults(found: dict[str, Any]) -> list[dict[str, str]]:
    """The parts of a status that are not ok, but for what a busy or halting host alone can cause."""
    host_made = ("schedule", "budget", "clock")
    return [part for part in found["parts"] if part["state"] != "ok" and part["name"] not in host_made]


def events(machine: Machine, since_s: int = 3600) -> list[dict[str, Any]]:
    """What `jepa events --json` prints."""
    printed = machine.succeed(f"jepa events --json --since {since_s}")
    return [json.loads(line) for line in printed.splitlines()]


def wait_for_event(machine: Machine, kind: str, unit: str, timeout: float = 20) -> dict[str, Any]:
    """The newest event of ``kind`` whose unit contains ``unit``; AssertionError with what came instead."""
    deadline = time.monotonic() + timeout * machine.factor
    while True:
        known = events(machine)
        found = [each for each in known if each["kind"] == kind and unit in (each["unit"] or "")]
        if found:
            return found[-1]
        assert time.monotonic() < deadline, f"no {kind} of {unit!r} among {known}"
        time.sleep(0.5)


def newest_frame(machine: Machine) -> dict[str, float | None]:
    """The channels of the newest tick."""
    ticks = machine.succeed("jepa watch --json --count 1").splitlines()
    values: dict[str, float | None] = json.loads(ticks[-1])["frame"]["values"]
    return values


def clock_ns(machine: Machine) -> int:
    """What the guest's clock shows, in ns since the epoch."""
    return int(machine.succeed("date +%s%N"))


def frame_times(machine: Machine) -> list[int]:
    """Times in ns of the newest frames that jepad holds, up to 300, oldest first."""
    return [int(word) for word in machine.succeed(f"python3 -IS -c '{_TIMES}'").split()]


def all_sources() -> set[str]:
    """Names of the sources of channels, of events, and of both."""
    from jepa.telemetry.schema import load_schema

    return {channel.source for channel in load_schema().channels} | {
        "collector",
        "devices",
        "health",
        "kmsg",
        "units",
        "vision",
    }
