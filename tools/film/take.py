# SPDX-License-Identifier: Apache-2.0
"""Record what the shell on a machine's serial console shows while one sentence is said and carried out."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from typing import Final

import pyte

from tools.film.cast import Cast, decoded
from tools.film.terminal import Terminal
from tools.vm.jepa_console import open_shell
from tools.vm.machine import Machine, MachineError
from tools.vm.screen import Screenshot

COLUMNS: Final = 100
ROWS: Final = 30
SENTENCE: Final = "limit background to 30 % of the cpu for 10 minutes"
WORK: Final = """\
set -e
systemd-run --quiet --unit=backup --slice=background.slice \\
    sh -c 'while :; do tar -c /usr/lib 2>/dev/null | gzip -9 >/dev/null; done'
systemd-run --quiet --unit=report --slice=user.slice \\
    sh -c 'while :; do sha256sum /usr/lib/jepa/packs/*/*.onnx >/dev/null; sleep 1; done'
"""
"""A backup that packs all there is, and a report that has something to do each second."""
SEEN_S: Final = 130
"""So long jepad looks at that before: it has then seen as much as its context holds."""
KEY_S: Final = 0.12
"""From one key to the next."""
OPEN_S: Final = 40
PLAN_S: Final = 20
MEASURED_S: Final = 30
"""Longest waits, on hardware that virtualises."""
DRAWN_COLOURS: Final = 4
"""More than a blank screen has."""
SETTLED_S: Final = 4
"""For a few frames to be drawn."""


class Recorder:
    """Keeps what a terminal is sent and when, and shows it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._pieces: list[tuple[float, bytes]] = []
        self._marks: list[tuple[float, str]] = []
        self._screen = Terminal(COLUMNS, ROWS)
        self._stream = pyte.ByteStream(self._screen)
        self._lock = threading.Lock()

    def hear(self, piece: bytes) -> None:
        """The terminal is sent ``piece``; may be called in another thread."""
        with self._lock:
            self._pieces.append((self._clock() - self._began, piece))
            self._stream.feed(piece)

    def mark(self, name: str) -> None:
        """A part called ``name`` begins."""
        self._marks.append((self._clock() - self._began, name))

    @property
    def shown(self) -> str:
        """The rows of the screen as it is now."""
        with self._lock:
            return "\n".join(self._screen.display)

    @property
    def cast(self) -> Cast:
        """What was recorded."""
        with self._lock:
            return Cast(COLUMNS, ROWS, decoded(self._pieces), tuple(self._marks))


def take(machine: Machine, recorder: Recorder, sentence: str = SENTENCE) -> None:
    """Say ``sentence`` key by key, apply its plan by its key, and wait until its outcome is measured."""
    machine.succeed(WORK)
    machine.say("the programs run")
    time.sleep(SEEN_S)
    machine.resize_terminal(COLUMNS, ROWS)
    machine.hear_console(recorder.hear)
    open_shell(machine, "ttyS0", f"xterm-256color {COLUMNS} {ROWS}")

    def until(pattern: str, limit_s: float) -> None:
        deadline = time.monotonic() + limit_s * machine.factor
        while not re.search(pattern, recorder.shown):
            if time.monotonic() > deadline:
                raise MachineError(f"{machine.name}: {pattern!r} is not shown:\n{recorder.shown}")
            time.sleep(0.2)
        machine.say(f"shown: {pattern}")

    until("CHANGED NOW", OPEN_S)
    time.sleep(25)
    recorder.mark("open")
    time.sleep(3)
    recorder.mark("type")
    for character in sentence:
        machine.write_console(character)
        time.sleep(KEY_S)
    time.sleep(3)
    recorder.mark("wait")
    machine.write_console("\r")
    until(r"\[a\]apply", PLAN_S)
    recorder.mark("read")
    time.sleep(6)
    machine.write_console("\t")
    time.sleep(4)
    recorder.mark("apply")
    machine.write_console("a")
    until(r"came \S+, predicted|, came ", MEASURED_S)
    recorder.mark("measured")
    time.sleep(8)


def photograph(machine: Machine) -> Screenshot:
    """A picture of the machine's own screen once the shell has drawn itself there."""
    blank = machine.screenshot("screen")
    open_shell(machine, "tty1", "linux 0 0")
    deadline = time.monotonic() + OPEN_S * machine.factor
    while machine.screenshot("screen").colours < blank.colours + DRAWN_COLOURS:
        if time.monotonic() > deadline:
            raise MachineError(f"{machine.name}: nothing is drawn on tty1")
        time.sleep(1)
    time.sleep(SETTLED_S * machine.factor)
    return machine.screenshot("screen")
