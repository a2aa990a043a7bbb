# SPDX-License-Identifier: Apache-2.0
"""Questions about JEPA OS that several tests put to a machine."""

import json
import time
from typing import Any

from tools.vm.channel import Answer
from tools.vm.machine import Machine

STATE = "/var/lib/jepa"
_ASK = """\
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect("/run/jepa/api.sock")
s.sendall(b"GET " + sys.argv[1].encode() + b" HTTP/1.1\\r\\nHost: jepa\\r\\nConnection: close\\r\\n\\r\\n")
head, _, body = s.makefile("rb").read().partition(b"\\r\\n\\r\\n")
sys.stdout.buffer.write(body)
sys.exit(b" 200 " not in head.partition(b"\\r\\n")[0])
"""
"""What `jepa` asks as well, in a fifth of the time that an emulated CPU takes to start `jepa`."""


def ask(machine: Machine, path: str, timeout: float = 30) -> Answer:
    """What jepad's API answers to GET ``path``; a status other than 0 when it does not."""
    return machine.execute(f"python3 -IS -c '{_ASK}' '{path}'", timeout)


def asked(machine: Machine, path: str) -> Any:
    """The same, read; AssertionError when jepad does not answer."""
    answer = ask(machine, path)
    assert answer.status == 0, answer
    return json.loads(answer.out)


def status(machine: Machine) -> dict[str, Any]:
    """What jepad says of its state."""
    found: dict[str, Any] = asked(machine, "/v1/status")
    return found


def wait_for_status(machine: Machine, key: str, least: int, timeout: float = 30) -> dict[str, Any]:
    """The first status whose ``key`` is at least ``least``; AssertionError with the last one."""
    deadline = time.monotonic() + timeout * machine.factor
    while True:
        answer = ask(machine, "/v1/status")
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


def events(machine: Machine) -> list[dict[str, Any]]:
    """The newest events that jepad knows, oldest first."""
    known: list[dict[str, Any]] = asked(machine, "/v1/events?limit=1000")
    return known


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


def next_frame(machine: Machine, timeout: float = 10) -> dict[str, float | None]:
    """The channels of the next tick."""
    deadline = time.monotonic() + timeout * machine.factor
    last = asked(machine, "/v1/frames?limit=1")[-1]["ts_ns"]
    while not (frames := asked(machine, f"/v1/frames?since_ns={last}&limit=1")):
        assert time.monotonic() < deadline, f"no frame after {last}"
        time.sleep(0.3)
    values: dict[str, float | None] = frames[-1]["values"]
    return values


def clock_ns(machine: Machine) -> int:
    """What the guest's clock shows, in ns since the epoch."""
    return int(machine.succeed("date +%s%N"))


def frame_times(machine: Machine) -> list[int]:
    """Times in ns of the newest frames that jepad holds, up to 300, oldest first."""
    return [frame["ts_ns"] for frame in asked(machine, "/v1/frames?limit=300")]


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
