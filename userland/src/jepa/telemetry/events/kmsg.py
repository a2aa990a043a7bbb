# SPDX-License-Identifier: Apache-2.0
"""Events from the kernel's log: records of /dev/kmsg against a file of rules.

The format is that of Documentation/ABI/testing/dev-kmsg: ``priority,sequence,microseconds,flags;text``,
further lines beginning with a blank, and bytes other than printable ASCII as ``\\xNN``.
"""

import errno
import os
import re
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from jepa.errors import JepaError
from jepa.telemetry.events.event import KINDS, Event

PACKAGE_FILE = Path(__file__).with_name("rules.toml")
DEVICE = Path("/dev/kmsg")
_RECORD = 8192
"""Bytes a read must offer: the kernel gives whole records only."""
_AT_ONCE = 256
"""Records read before others have their turn."""
_SAME_WITHIN_US = 10_000_000
"""Events of one kind and unit within so long are one, with a count."""
_ESCAPE = re.compile(r"\\x([0-9a-f]{2})")
_LONGEST_DETAIL = 300


@dataclass(frozen=True, slots=True)
class KernelMessage:
    """One message of the kernel."""

    priority: int
    """0 emergency to 7 debug; the facility is left out."""
    sequence: int
    microseconds: int
    """On the monotonic clock, since boot."""
    text: str


@dataclass(frozen=True, slots=True)
class MessageRule:
    """What messages that fit a pattern from their beginning mean."""

    kind: str
    severity: str
    pattern: re.Pattern[str]

    def unit(self, text: str) -> tuple[bool, str | None]:
        """Whether ``text`` fits, and what it happened to."""
        found = self.pattern.match(text)
        if found is None:
            return False, None
        return True, found.groupdict().get("unit")


def parse_record(packet: bytes) -> KernelMessage | None:
    """One record of /dev/kmsg; None when it is none."""
    head, separator, rest = packet.partition(b";")
    fields = head.split(b",")
    if not separator or len(fields) < 3 or not all(field.isdigit() for field in fields[:3]):
        return None
    if any(len(field) > 20 for field in fields[:3]):
        return None
    priority, sequence, microseconds = (int(field) for field in fields[:3])
    text = rest.partition(b"\n")[0].decode("utf-8", errors="replace")
    return KernelMessage(priority & 7, sequence, microseconds, _ESCAPE.sub(_unescaped, text))


def _unescaped(found: re.Match[str]) -> str:
    return chr(int(found[1], 16))


def load_rules(path: Path = PACKAGE_FILE) -> tuple[MessageRule, ...]:
    """The rules in ``path``; JepaError naming the file and what is wrong."""
    try:
        entries = cast("list[dict[str, str]]", tomllib.loads(path.read_text(encoding="utf-8"))["rule"])
        rules = tuple(
            MessageRule(entry["kind"], entry["severity"], re.compile(entry["pattern"], re.DOTALL))
            for entry in entries
        )
        unknown = [rule.kind for rule in rules if rule.kind not in KINDS]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is no kind of event")
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError, ValueError, re.error) as error:
        raise JepaError(
            f"The rules in {path} cannot be used: {error}.", "Reinstall jepa, or correct the file."
        ) from error
    return rules


class KernelLog:
    """Records of /dev/kmsg as events. ``wall_ns`` and ``monotonic_ns`` read the two clocks."""

    name = "kmsg"

    def __init__(
        self,
        fd: int,
        rules: Sequence[MessageRule],
        wall_ns: Callable[[], int],
        monotonic_ns: Callable[[], int],
    ) -> None:
        self.fd = fd
        self._rules = rules
        self._wall_ns = wall_ns
        self._monotonic_ns = monotonic_ns
        self._next: int | None = None
        self._same: dict[tuple[str, str | None], tuple[int, int]] = {}

    def ready(self) -> list[Event]:
        """The events of the records that wait, of so many at most; the descriptor does not block."""
        events: list[Event] = []
        for _ in range(_AT_ONCE):
            try:
                packet = os.read(self.fd, _RECORD)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno == errno.EPIPE:
                    continue  # overwritten before it was read; the sequence shows how many
                raise
            if not packet:
                break
            record = parse_record(packet)
            if record is not None:
                events += self._judge(record)
        return events

    def _judge(self, record: KernelMessage) -> list[Event]:
        events: list[Event] = []
        if self._next is not None and record.sequence > self._next:
            missed = record.sequence - self._next
            events.append(
                self._event(record, "events_lost", None, f"{missed} messages of the kernel", "warning")
            )
        self._next = record.sequence + 1
        for rule in self._rules:
            fits, unit = rule.unit(record.text)
            if not fits:
                continue
            first, count = self._same.get((rule.kind, unit), (0, 0))
            if count and record.microseconds - first < _SAME_WITHIN_US:
                self._same[rule.kind, unit] = (first, count + 1)
            else:
                more = f" (and {count - 1} more before)" if count > 1 else ""
                self._same[rule.kind, unit] = (record.microseconds, 1)
                events.append(self._event(record, rule.kind, unit, record.text + more, rule.severity))
            break
        if len(self._same) > 1000:
            self._same.clear()
        return events

    def _event(
        self, record: KernelMessage, kind: str, unit: str | None, detail: str, severity: str
    ) -> Event:
        ago = self._monotonic_ns() - 1000 * record.microseconds
        return Event(
            ts_ns=self._wall_ns() - max(0, ago),
            kind=kind,
            unit=unit,
            detail=detail[:_LONGEST_DETAIL],
            severity=severity,
            source=self.name,
        )

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self.fd)


def open_log(device: Path = DEVICE) -> int:
    """A descriptor that gives the messages from now on, without blocking. Raises OSError."""
    fd = os.open(device, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    os.lseek(fd, 0, os.SEEK_END)
    return fd
