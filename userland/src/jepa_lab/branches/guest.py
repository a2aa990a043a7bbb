# SPDX-License-Identifier: Apache-2.0
"""Runs inside the machine: records its frames, stops it at each moment, and takes the actions of a branch.

`python3 -m jepa_lab.branches.guest ORDER`, as root. ORDER is a JSON file with ``starts`` (commands that
begin the programs, by frame), ``moments`` (frames), ``context_s`` and ``branch_s``. At a moment it stops the
whole machine by its pvpanic device, and the host keeps that. What goes on from there reads its course from
QEMU's firmware configuration, which is another for each branch, so that nobody has to ask the machine
anything. What was recorded is written to a port of its own, one JSON line a message.
"""

import base64
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np

from jepa.actions.actuator.connect import connect
from jepa.actions.client import ActuatorClient
from jepa.actions.clock import HostClock
from jepa.actions.request import make
from jepa.errors import JepaError
from jepa.telemetry.frame import Frame
from jepa.telemetry.machine import open_machine
from jepa.telemetry.sampler import Sampler

PORT: Final = Path("/dev/virtio-ports/jepa.branches")
COURSE: Final = Path("/sys/firmware/qemu_fw_cfg/by_name/opt/org.jepa.course/raw")
_IO_PORTS: Final = Path("/dev/port")
_PVPANIC: Final = 0x505
_STOP: Final = b"\x01"
_AWAKE_S: Final = 8
"""So long before a moment the actuator is asked something: its start would count as an action's effect."""


class Acting:
    """Takes the steps of a course at their times, in its own thread, and remembers what came of them."""

    def __init__(self, steps: Sequence[Sequence[Any]], actuator: ActuatorClient) -> None:
        self.reports: list[dict[str, Any]] = []
        self._steps, self._actuator = steps, actuator
        self._begun = time.monotonic()
        if steps:
            threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        clock = HostClock()
        for at_s, action, target, value in self._steps:
            time.sleep(max(0.0, self._begun + at_s - time.monotonic()))
            report: dict[str, Any] = {
                "ts": time.time_ns(),
                "action": action,
                "target": target,
                "value": value,
            }
            try:
                request = make(clock, action=action, target=target, value=value, why="trial")
                change = self._actuator.act(request, consent=True)
                report |= {
                    "state": change.state.value,
                    "old": change.old,
                    "new": change.new,
                    "detail": change.detail,
                }
            except JepaError as error:
                report |= {"state": "refused", "detail": error.problem}
            self.reports.append(report)


def main(order_file: str) -> None:
    """Record until the host ends the machine."""
    order = json.loads(Path(order_file).read_text())
    source = open_machine(kernel=True, own_cost=True)
    actuator = connect()
    actuator.history(1)  # imported and connected before anything counts
    sampler = Sampler(source)
    sampler.next()  # it only starts the rates
    frames: list[Frame] = []
    acting, began, ends = Acting((), actuator), 0, False
    with PORT.open("wb", buffering=0) as port:
        say(port, {"kind": "channels", "names": list(source.schema.names), "digest": source.schema.digest})
        for count in range(1, order["moments"][-1] + order["branch_s"] + 1):
            for begin, command in order["starts"]:
                if begin == count - 1:
                    subprocess.Popen(command)
            frames.append(sampler.next())
            if count + _AWAKE_S in order["moments"]:
                threading.Thread(target=actuator.history, args=(1,), daemon=True).start()
            if began and count == began + order["branch_s"]:
                say(port, told("branch", began, frames[began:], acting.reports))
                if ends:
                    stop_machine()
            if count in order["moments"]:
                say(port, told("context", count, frames[-order["context_s"] :], []))
                stop_machine()
                course = json.loads(COURSE.read_text())
                began, ends = count, course["ends"]
                acting = Acting(course["steps"], actuator)
        stop_machine()


def told(kind: str, frame: int, frames: Sequence[Frame], reports: Sequence[Any]) -> dict[str, Any]:
    """A message with ``frames`` and what came of the actions."""
    values = np.stack([each.values for each in frames])
    return {
        "kind": kind,
        "frame": frame,
        "ts": [each.ts_ns for each in frames],
        "values": base64.b64encode(values.astype("<f4").tobytes()).decode(),
        "reports": list(reports),
    }


def say(port: BinaryIO, message: dict[str, Any]) -> None:
    """Write one line to the host."""
    left = memoryview(json.dumps(message).encode() + b"\n")
    while left:
        left = left[port.write(left) or 0 :]


def stop_machine() -> None:
    """Stop the machine at this instruction; what comes next happens once it is resumed."""
    with _IO_PORTS.open("r+b", buffering=0) as ports:
        os.pwrite(ports.fileno(), _STOP, _PVPANIC)


if __name__ == "__main__":
    main(sys.argv[1])
