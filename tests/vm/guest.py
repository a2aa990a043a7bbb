# SPDX-License-Identifier: Apache-2.0
"""Questions about JEPA OS that several tests put to a machine."""

import json
import shlex
import time
from typing import Any

from tools.vm.channel import Answer
from tools.vm.machine import TRY_S, Machine

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
_ASK_UNTIL = """\
import json, socket, sys, time
path, wanted, tries = sys.argv[1:]
for each in range(int(tries)):
    time.sleep(0.5 if each else 0)
    try:
        s = socket.socket(socket.AF_UNIX)
        s.connect("/run/jepa/api.sock")
        s.sendall(b"GET " + path.encode() + b" HTTP/1.1\\r\\nHost: jepa\\r\\nConnection: close\\r\\n\\r\\n")
        head, _, body = s.makefile("rb").read().partition(b"\\r\\n\\r\\n")
    except OSError as error:
        head, body = b"", str(error).encode()
    if b" 200 " in head.partition(b"\\r\\n")[0] and eval(wanted, {"found": json.loads(body)}):
        break
else:
    head = b""
sys.stdout.buffer.write(body)
sys.exit(not head)
"""
"""The same, asked again until it holds: to start Python for each time keeps an emulated CPU busy."""
EVENTS = "/v1/events?limit=1000"


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


def asked_until(machine: Machine, path: str, wanted: str, timeout: float = 30) -> Any:
    """What jepad answers to GET ``path`` once ``wanted`` holds, an expression of Python about ``found``.

    AssertionError with the last answer after ``timeout`` s of a real machine.
    """
    deadline = time.monotonic() + timeout * machine.factor
    while True:
        tries = max(1, round(min(TRY_S, deadline - time.monotonic()) / 0.5))
        words = ("python3", "-IS", "-c", _ASK_UNTIL, path, wanted, str(tries))
        answer = machine.execute(shlex.join(words), timeout + TRY_S)
        if answer.status == 0:
            return json.loads(answer.out)
        assert time.monotonic() < deadline, f"never {wanted}: {answer.out or answer.err}"


def wait_for_status(machine: Machine, key: str, least: int, timeout: float = 30) -> dict[str, Any]:
    """The first status whose ``key`` is at least ``least``; AssertionError with the last one."""
    found: dict[str, Any] = asked_until(machine, "/v1/status", f"found[{key!r}] >= {least}", timeout)
    return found


def source(machine: Machine, name: str) -> dict[str, Any]:
    """What jepad says of the source called ``name``."""
    found: dict[str, Any] = next(each for each in status(machine)["sources"] if each["name"] == name)
    return found


def wait_for_sources(machine: Machine, *names: str, timeout: float = 60) -> None:
    """Wait until jepad says of all sources ``names`` at once that they are ok; AssertionError else."""
    ok = "{each['name'] for each in found['sources'] if each['state'] == 'ok'}"
    asked_until(machine, "/v1/status", f"set({names!r}) <= {ok}", timeout)


def part(found: dict[str, Any], name: str) -> dict[str, str]:
    """The part called ``name`` of a status."""
    return next(part for part in found["parts"] if part["name"] == name)


def essential_faults(found: dict[str, Any]) -> list[dict[str, str]]:
    """The parts of a status that are not ok, but for what a busy or halting host alone can cause."""
    host_made = ("schedule", "budget", "clock")
    return [part for part in found["parts"] if part["state"] != "ok" and part["name"] not in host_made]


def events(machine: Machine) -> list[dict[str, Any]]:
    """The newest events that jepad knows, oldest first."""
    known: list[dict[str, Any]] = asked(machine, EVENTS)
    return known


def wait_for_event(machine: Machine, kind: str, unit: str, timeout: float = 20) -> dict[str, Any]:
    """The newest event of ``kind`` whose unit contains ``unit``; AssertionError with what came instead."""
    fits = f"[each for each in found if each['kind'] == {kind!r} and {unit!r} in (each['unit'] or '')]"
    known: list[dict[str, Any]] = asked_until(machine, EVENTS, fits, timeout)
    return [each for each in known if each["kind"] == kind and unit in (each["unit"] or "")][-1]


def next_frame(machine: Machine, timeout: float = 10) -> dict[str, float | None]:
    """The channels of the next tick."""
    last = asked(machine, "/v1/frames?limit=1")[-1]["ts_ns"]
    frames = asked_until(machine, f"/v1/frames?since_ns={last}&limit=1", "found", timeout)
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
