# SPDX-License-Identifier: Apache-2.0
"""Conditions that the kernel's log begins and never ends: whether they hold is read from /proc and /sys.

A file system with an error stays in that condition until it is mounted read-write anew, or is no longer
mounted; a CPU that is too hot until its temperature is normal. What systemd, smartctl and cameras report is
ended by these themselves.
"""

import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from jepa.telemetry.events.event import Event

_ENDS = {"fs_error": "fs_recovered", "thermal": "thermal_recovered"}
"""The kinds of event that begin a condition, and those that end it."""
_QUIET_S = {"fs_error": 3600.0, "thermal": 900.0}
"""Without another message for so long a condition that the machine's state does not show is over.

A CPU that stays too hot says so every five minutes (arch/x86/kernel/cpu/mce/therm_throt.c).
"""
_READ_ONLY = frozenset({"ro", "emergency_ro", "shutdown"})
"""Options of a super block that takes no writes; ext4 of Linux 6.15 and newer says emergency_ro."""
_SHUT_DOWN = re.compile(r"[Ss]hut(?:ting)? ?down")
_MOST = 256
_OCTAL = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of /proc/self/mountinfo."""

    number: int
    """Unique among the present mounts; a file system that is mounted anew has another one."""
    device: str
    """``major:minor``, as the kernel writes it."""
    source: str
    """What was mounted, such as /dev/mapper/home."""
    read_only: bool
    """Whether the file system takes no writes, through any of its mounts."""


def parse_mountinfo(content: bytes) -> list[Mount]:
    """The mounts in a file such as /proc/self/mountinfo; see proc_pid_mountinfo(5).

    The options of the super block decide, not those of the mount: a sandbox sees all mounted read-only.
    """
    mounts: list[Mount] = []
    for line in content.decode("utf-8", errors="surrogateescape").split("\n"):
        fields, _, rest = line.partition(" - ")
        words, tail = fields.split(" "), rest.split(" ")
        if len(words) < 6 or len(tail) < 3 or not words[0].isdecimal():
            continue
        source = _OCTAL.sub(lambda found: chr(int(found[1], 8)), tail[1])
        options = set(tail[-1].split(","))
        mounts.append(Mount(int(words[0]), words[2], source, bool(options & _READ_ONLY)))
    return mounts


@dataclass(frozen=True, slots=True)
class _Condition:
    kind: str
    unit: str
    heard_s: float
    mounts: frozenset[int] = frozenset()
    """Mounts of the file system when the error came."""
    was_read_only: bool = False
    shut_down: bool = False


class Conditions:
    """The conditions that hold now. Not for use by two threads."""

    def __init__(
        self,
        root: Path = Path("/"),
        wall_ns: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._root, self._wall_ns, self._monotonic = root, wall_ns, monotonic
        self._standing: dict[tuple[str, str], _Condition] = {}

    def hear(self, event: Event) -> None:
        """Take up the condition that ``event`` begins, or drop the one that it ends; pass over others."""
        unit = event.unit or ""
        for kind, end in _ENDS.items():
            if event.kind == end:
                self._standing.pop((kind, unit), None)
        if event.kind not in _ENDS or len(self._standing) >= _MOST:
            return
        known = self._standing.get((event.kind, unit))
        try:
            mounts = self._mounts_of(unit) if event.kind == "fs_error" else []
        except OSError:
            mounts = []
        condition = known or _Condition(event.kind, unit, 0.0, frozenset(each.number for each in mounts))
        self._standing[event.kind, unit] = replace(
            condition,
            heard_s=self._monotonic(),
            shut_down=condition.shut_down or bool(_SHUT_DOWN.search(event.detail or "")),
        )

    def ended(self) -> list[Event]:
        """The events that end what holds no longer; these conditions are forgotten."""
        return list(self._ended())

    def _ended(self) -> Iterator[Event]:
        for key, condition in list(self._standing.items()):
            why = self._fs_end(condition) if condition.kind == "fs_error" else self._quiet_end(condition)
            if why is not None:
                del self._standing[key]
                kind = _ENDS[condition.kind]
                yield Event(self._wall_ns(), kind, condition.unit or None, why, "info", "kmsg")

    def _fs_end(self, condition: _Condition) -> str | None:
        pool = self._pool_state(condition.unit)
        if pool is not None:
            return f"its pool is {pool.lower()}" if pool in ("ONLINE", "DEGRADED") else None
        try:
            mounts = self._mounts_of(condition.unit)
        except OSError:
            return None  # nothing is known, so nothing has ended
        if not mounts:
            # A name that was never found among the mounts is judged by the log alone.
            return "it is not mounted any more" if condition.mounts else self._quiet_end(condition)
        if any(each.read_only for each in mounts):
            self._standing[condition.kind, condition.unit] = replace(condition, was_read_only=True)
            return None
        if condition.was_read_only or condition.mounts.isdisjoint(each.number for each in mounts):
            return "it is mounted read-write again"
        return None if condition.shut_down else self._quiet_end(condition)

    def _quiet_end(self, condition: _Condition) -> str | None:
        quiet_s = _QUIET_S[condition.kind]
        if self._monotonic() - condition.heard_s < quiet_s:
            return None
        return f"no further message for {quiet_s / 60:.0f} min"

    def _pool_state(self, unit: str) -> str | None:
        """The state of the ZFS pool ``unit``, such as ONLINE or SUSPENDED; None where there is none."""
        if not unit or "/" in unit or unit in (".", ".."):
            return None
        try:
            return (self._root / "proc/spl/kstat/zfs" / unit / "state").read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            return None

    def _mounts_of(self, unit: str) -> list[Mount]:
        """The mounts of the block device ``unit``, a name as in the kernel's log (sda1, dm-0, 254:1)."""
        content = (self._root / "proc/self/mountinfo").read_bytes()
        number = unit if ":" in unit else self._number(unit)
        return [
            each
            for each in parse_mountinfo(content)
            # btrfs has a device number of its own for each file system: the source identifies it.
            if each.device == number or (unit and self._name(each.source) == unit)
        ]

    def _number(self, unit: str) -> str | None:
        try:
            # "cciss/c0d0" is "cciss!c0d0" in /sys
            name = unit.replace("/", "!")
            return (self._root / "sys/class/block" / name / "dev").read_text(encoding="ascii").strip()
        except OSError:
            return None

    def _name(self, source: str) -> str | None:
        if not source.startswith("/dev/"):
            return None
        path = self._root / source.lstrip("/")
        return Path(os.path.realpath(path)).name
