# SPDX-License-Identifier: Apache-2.0
"""What the shell of a booted image was told, told again: `python -m tools.shell_tape` records it.

jepad's own messages, a look at the machine's processes, and what lines at the prompt came to there.
"""

import gzip
import json
import queue
import threading
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from jepa.errors import JepaError
from jepa.service.api import ChannelInfo, EventOut, FrameOut, Status, TickOut
from jepa.service.wire import decode
from jepa.shell.listener import Listener
from jepa.shell.processes import Use
from tests.unit.shell import tui_scenes as scenes

TAPE = Path(__file__).with_name("tape.json.gz")
Message = TypeVar("Message")


@cache
def tape() -> dict[str, Any]:
    """All that was recorded, as JSON has it."""
    found: dict[str, Any] = json.loads(gzip.decompress(TAPE.read_bytes()))
    return found


@cache
def messages(kind: type[Message], place: str) -> Message:
    """What was recorded at ``place``, as a client reads it."""
    return decode(kind, json.dumps(tape()[place]))


@cache
def stream() -> list[TickOut | EventOut]:
    """Ticks and events in the order in which they came."""
    kinds: dict[str, type[TickOut | EventOut]] = {"TickOut": TickOut, "EventOut": EventOut}
    return [decode(kinds[name], json.dumps(each)) for name, each in tape()["stream"]]


def line(beginning: str) -> dict[str, Any] | None:
    """What the first line that begins so came to; None where there is none on the tape."""
    return next((each for each in tape()["lines"] if each["line"].startswith(beginning)), None)


class TapeClient:
    """A client of a service that says what the tape says: the past at once, then so many ticks and no more.

    The ticks come once it is told to begin.
    """

    def __init__(self, ticks: int = 10_000) -> None:
        self._left = ticks
        self._begun = threading.Event()
        self._script: queue.Queue[JepaError | None] = queue.Queue()
        self.down: JepaError | None = None

    def begin(self) -> None:
        """Send the ticks."""
        self._begun.set()

    def fail(self, problem: str, remedy: str) -> None:
        """Answer nothing but this from now on."""
        self.down = JepaError(problem, remedy, status=503)
        self._script.put(self.down)

    def go(self) -> None:
        """Answer again."""
        self.down = None

    @property
    def newest_ns(self) -> int:
        """When the last frame that is sent was taken."""
        frames = [*self.frames(), *(each.frame for each in self._ticks())]
        return frames[-1].ts_ns

    def _answer(self) -> None:
        if self.down is not None:
            raise self.down

    def _ticks(self) -> list[TickOut]:
        return [each for each in stream() if isinstance(each, TickOut)][: self._left]

    def status(self) -> Status:
        self._answer()
        return messages(Status, "status")

    def channels(self) -> list[ChannelInfo]:
        return messages(list[ChannelInfo], "channels")

    def frames(self, *, since_ns: int = 0, limit: int = 300) -> list[FrameOut]:
        self._answer()
        return [each for each in messages(list[FrameOut], "frames") if each.ts_ns > since_ns][-limit:]

    def events(self, *, since_ns: int = 0, limit: int = 100, after: int | None = None) -> list[EventOut]:
        self._answer()
        return messages(list[EventOut], "events")[-limit:]

    def tasks(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = tape()["tasks"]
        return found

    def history(self, limit: int = 50) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = tape()["changes"]
        return found[:limit]

    def stream(self, channels: Sequence[str] = (), after: int | None = None) -> Iterator[TickOut | EventOut]:
        """Its ticks have the channels that a large screen draws, whatever is asked for."""
        self._begun.wait()
        for each in self._ticks():
            self._answer()
            self._left -= 1
            yield each
        error = self._script.get()
        raise error or JepaError("closed", "")

    def close(self) -> None:
        self.begin()
        self._script.put(None)


class TapeRunner:
    """Answers lines with what they came to on the machine.

    It was too busy for plans when it was recorded: sentences that come to one have those of `tui_scenes`.
    """

    def __init__(self) -> None:
        self._scripted = scenes.Scripted()

    def __call__(self, client: Any, said: str, width: int, listener: Listener | None = None) -> str:
        assert listener is not None
        told = line(said)
        if told is None:
            return self._scripted(client, said, width, listener)
        for kind, *what in told["parts"]:
            getattr(listener, kind)(*what)
        if told["problem"] is not None:
            raise JepaError(*told["problem"])
        text: str = told["text"]
        return text


class TapeProcesses:
    """Looks that find what ran on the machine."""

    def look(self) -> list[Use]:
        return [Use(**each) for each in tape()["uses"]]


class Held:
    """Tells half of what a line wrote, then no more."""

    def __init__(self, beginning: str) -> None:
        told = line(beginning)
        assert told is not None
        self._written = [what for kind, what in told["parts"] if kind == "wrote"]
        self.told = threading.Event()

    def __call__(self, client: Any, said: str, width: int, listener: Listener | None = None) -> str:
        assert listener is not None
        listener.wrote(self._written[len(self._written) // 2])
        self.told.set()
        threading.Event().wait()  # the thread is a daemon
        return ""
