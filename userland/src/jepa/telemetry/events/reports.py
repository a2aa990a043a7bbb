# SPDX-License-Identifier: Apache-2.0
"""Events that other daemons report, one JSON object in each datagram of a local socket.

``event`` is what a camera showed (jepa-vision), or a fault and its repair (jepa-healing); ``state`` is how
watching cameras does. Who may write to the socket is decided by its mode: its owner and its group, whose
only other members are those two. What is written is still not believed: it may only be of the kinds of its
source, of this length, and come this often.
"""

import json
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from jepa.sockets import listen
from jepa.telemetry.events.event import Event, Severity
from jepa.telemetry.source_state import SourceState

NAME = "vision"
KINDS = {
    NAME: frozenset({"anomaly", "anomaly_over", "camera_lost", "camera_back"}),
    "healing": frozenset(
        {
            "fault_detected",
            "repair_proposed",
            "repair_made",
            "repair_refused",
            "fault_repaired",
            "repair_gave_up",
        }
    ),
}
"""What each source may report."""
SOCKET_NAME = "reports.sock"
"""Beside the collector's own socket."""
LONGEST_UNIT = 255
LONGEST_TEXT = 500
_LARGEST = 1 << 13
_AT_ONCE = 64
_BURST, _EVERY_S = 50.0, 1.0
"""Events that may come at once, and how long each takes to be allowed again."""
_OLDEST_NS = 24 * 3600 * 10**9
_FRESH_S = 60.0
"""How long a state counts; jepa-vision repeats its own more often."""
_GROUP_ONLY = 0o660


@dataclass(frozen=True, slots=True)
class WatchState:
    """How watching does, in one sentence where there is something to say."""

    ok: bool
    reason: str


def encode(report: Event | WatchState) -> bytes:
    """``report`` as one datagram, its words cut and cleaned as ``decode`` wants them."""
    if isinstance(report, WatchState):
        content: dict[str, Any] = {
            "type": "state",
            "ok": report.ok,
            "reason": _line(report.reason, LONGEST_TEXT),
        }
    else:
        content = {"type": "event", "ts_ns": report.ts_ns, "kind": report.kind, "severity": report.severity}
        content["source"] = report.source or NAME
        content["unit"] = _line(report.unit, LONGEST_UNIT)
        content["detail"] = _line(report.detail, LONGEST_TEXT)
    return json.dumps(content, separators=(",", ":")).encode()


def _line(text: str | None, longest: int) -> str | None:
    if text is None:
        return None
    return "".join(each if each.isprintable() else " " for each in text[:longest])


def decode(datagram: bytes, now_ns: int) -> Event | WatchState:
    """The report in ``datagram``; ValueError for anything else.

    A time that cannot be, in the future or days ago, becomes ``now_ns``.
    """
    try:
        content = json.loads(datagram)
    except (UnicodeDecodeError, RecursionError) as error:
        raise ValueError("no JSON") from error
    if not isinstance(content, dict):
        raise ValueError("no object")
    if content.get("type") == "state":
        ok = content.get("ok")
        if not isinstance(ok, bool):
            raise ValueError("no state")
        return WatchState(ok, _text(content, "reason", LONGEST_TEXT) or "")
    kind, source = content.get("kind"), content.get("source")
    if content.get("type") != "event" or not isinstance(source, str) or source not in KINDS:
        raise ValueError("no source of reports")
    if not isinstance(kind, str) or kind not in KINDS[source]:
        raise ValueError("no kind of report")
    if content.get("severity") not in get_args(Severity):
        raise ValueError("no severity")
    ts_ns = content.get("ts_ns")
    if type(ts_ns) is not int:
        raise ValueError("no time")
    return Event(
        ts_ns if now_ns - _OLDEST_NS < ts_ns <= now_ns else now_ns,
        kind,
        _text(content, "unit", LONGEST_UNIT),
        _text(content, "detail", LONGEST_TEXT),
        content["severity"],
        source,
    )


def _text(content: Mapping[str, Any], name: str, longest: int) -> str | None:
    """A line that a terminal shows as it is."""
    text = content.get(name)
    if text is None:
        return None
    if not isinstance(text, str) or len(text) > longest or not text.isprintable():
        raise ValueError(f"{name} is no line of text")
    return text


class Reports:
    """The socket at ``path``. Making one raises JepaError when it cannot be bound."""

    name = NAME

    def __init__(
        self,
        path: Path,
        wall_ns: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path, self._wall_ns, self._monotonic = path, wall_ns, monotonic
        self._socket = listen(path, socket.SOCK_DGRAM, "jepa-telemetry", _GROUP_ONLY)
        self._socket.setblocking(False)
        self._allowed, self._counted_at = _BURST, monotonic()
        self._lost = 0
        self._state: WatchState | None = None
        self._state_at = float("-inf")

    @property
    def fd(self) -> int:
        """Readable when there is news."""
        return self._socket.fileno()

    def ready(self) -> list[Event]:
        """The events that wait, of so many at most; those too many, or none at all, count as lost."""
        events: list[Event] = []
        for _ in range(_AT_ONCE):
            try:
                datagram = self._socket.recv(_LARGEST)
            except BlockingIOError:
                break
            try:
                report = decode(datagram, self._wall_ns())
            except ValueError:
                self._lost += 1
                continue
            if isinstance(report, WatchState):
                self._state, self._state_at = report, self._monotonic()
            elif self._may():
                events.append(report)
            else:
                self._lost += 1
        if self._lost and self._may():
            detail = f"{self._lost} reports"
            events.append(Event(self._wall_ns(), "events_lost", None, detail, "warning", NAME))
            self._lost = 0
        return events

    def _may(self) -> bool:
        now = self._monotonic()
        self._allowed = min(_BURST, self._allowed + (now - self._counted_at) / _EVERY_S)
        self._counted_at = now
        if self._allowed < 1:
            return False
        self._allowed -= 1
        return True

    def state(self) -> SourceState:
        """What was last said of watching; that no camera is watched is no fault."""
        if self._state is None or self._monotonic() - self._state_at > _FRESH_S:
            return SourceState(NAME, True, 0, 0, "no camera is watched")
        return SourceState(NAME, self._state.ok, 0, 0, self._state.reason)

    def close(self) -> None:
        """Take the socket away."""
        self._socket.close()
        self._path.unlink(missing_ok=True)
