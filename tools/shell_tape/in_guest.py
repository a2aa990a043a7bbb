# SPDX-License-Identifier: Apache-2.0
"""Runs in the booted image: keeps what the shell is told there, for tests of the shell to tell it again.

Python of the image runs it with OUT LINES SECONDS as arguments: the service's messages of so many seconds, a
look at the processes, and what each line at the prompt comes to, in order. ``LINES`` is a JSON list.
"""

import gzip
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, "/usr/lib/jepa")

from jepa.errors import JepaError
from jepa.healing.mode import ModeFile
from jepa.service.api import Client, EventOut, FrameOut, TickOut
from jepa.service.client import connect
from jepa.service.wire import encode
from jepa.shell.processes import ProcessTable, memory_mib
from jepa.shell.prompt_line import LineRunner
from jepa.shell.tui.model.movement import choose, movement
from jepa.shell.tui.series import Board

WIDTH = 74
"""Columns of an answer on a terminal of 80."""
STRIPS = 14
"""More than the largest screen of the tests has strips."""
LOOK_S = 3.0


class Heard:
    """Keeps what a line comes to, part by part."""

    def __init__(self) -> None:
        self.parts: list[list[Any]] = []

    def understood(self, meaning: str, spec: Mapping[str, Any], spans: Mapping[str, Any]) -> None:
        """What the sentence means."""
        self.parts.append(["understood", meaning, spec, spans])

    def planned(self, plan: Mapping[str, Any], past: Sequence[FrameOut]) -> None:
        """A plan, as JSON has it."""
        self.parts.append(["planned", plan, past])

    def writes(self, kind: str) -> None:
        """What kind of text follows."""
        self.parts.append(["writes", kind])

    def wrote(self, text: str) -> None:
        """So much is written."""
        self.parts.append(["wrote", text])


def answered(
    client: Client, run: LineRunner, line: str, before: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """What ``line`` comes to; PLAN and CHANGE in it are the ids of what was planned and changed last."""
    heard = Heard()
    plans = [part[1]["id"] for each in before for part in each["parts"] if part[0] == "planned"]
    changes = [change["id"] for change in client.history(1)]
    words = line.replace("PLAN", (plans or ["PLAN"])[-1]).replace("CHANGE", (changes or ["CHANGE"])[0])
    try:
        text, problem = run(client, words, WIDTH, heard), None
    except JepaError as error:
        text, problem = "", [error.problem, error.remedy]
    return {"line": words, "parts": heard.parts, "text": text, "problem": problem}


def moving(client: Client, frames: Sequence[FrameOut]) -> list[str]:
    """The channels that a large screen would draw."""
    channels = client.channels()
    board = Board({channel.name: channel.noise_floor for channel in channels})
    board.fill(frames)
    second = board.second
    moved = {
        name: movement(track.range(second, 120), track.noise_floor)
        for name, track in board.tracks.items()
        if second is not None and track.observed
    }
    return choose([channel.name for channel in channels], moved, STRIPS, [])


def ticks(client: Client, channels: Sequence[str], seconds: float) -> list[TickOut | EventOut]:
    """What the stream says for so long."""
    until, found = time.monotonic() + seconds, []
    for each in client.stream(channels):
        found.append(each)
        if time.monotonic() > until:
            break
    return found


def main(out: str, lines: str, seconds: str) -> None:
    """Record."""
    client = connect()
    processes = ProcessTable()
    processes.look()
    frames = client.frames(limit=150)
    drawn = moving(client, frames)
    told: dict[str, Any] = {
        "status": client.status(),
        "autonomy": ModeFile()(),
        "memory_mib": memory_mib(),
        "channels": client.channels(),
        "drawn": drawn,
        "frames": frames,
        "stream": [[type(each).__name__, each] for each in ticks(client, drawn, float(seconds))],
    }
    processes.look()
    time.sleep(LOOK_S)
    told["uses"] = processes.look()
    run = LineRunner()
    answers: list[dict[str, Any]] = []
    told["lines"] = answers
    for line in json.loads(lines):
        answers.append(answered(client, run, line, answers))
    told |= {"events": client.events(limit=300), "tasks": client.tasks(), "changes": client.history()}
    Path(out).write_bytes(gzip.compress(encode(told).encode(), 9, mtime=0))


if __name__ == "__main__":
    main(*sys.argv[1:])
