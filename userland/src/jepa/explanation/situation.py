# SPDX-License-Identifier: Apache-2.0
"""All that is known when an explanation is asked for, and how a part of it becomes evidence."""

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from jepa.actions.change import Change
from jepa.explanation.evidence import Evidence, Offender
from jepa.explanation.quantities import bytes_text, quantity
from jepa.explanation.use import ProcessUse, UnitUse
from jepa.explanation.window import FrameWindow
from jepa.healing.observation import Observation
from jepa.telemetry.events.event import Event

_NEWEST: Final = 3
"""Events of one kind that are cited."""
_LETTERS: Final = 300
"""Of what others say, at most."""


@dataclass(frozen=True, slots=True)
class JournalLine:
    """One line of the journal."""

    unit: str
    text: str
    cursor: str
    ts_ns: int


@dataclass(frozen=True)
class Situation:
    """The machine over the last minutes. What could not be looked at is empty, and ``limits`` says so."""

    window: FrameWindow
    uses: Mapping[str, UnitUse] = field(default_factory=dict)
    processes: tuple[ProcessUse, ...] = ()
    machine: Observation | None = None
    """The later of the two looks."""
    sampled_s: float = 0.0
    """Seconds between them."""
    own_cpu: float = 0.0
    """Percent of all CPU time that looking took."""
    events: tuple[Event, ...] = ()
    """Of the window, the oldest first."""
    changes: tuple[Change, ...] = ()
    """What jepa changed in the window, the newest first."""
    probabilities: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """By event and horizon in seconds, that it begins within it: 0 to 1."""
    surprise: float | None = None
    """0 to 1; see `jepa status`."""
    journal: Mapping[str, JournalLine] = field(default_factory=dict)
    """The newest line of some units."""
    limits: tuple[str, ...] = ()

    @property
    def cpus(self) -> int:
        """How many CPUs there are, 1 where that is not known."""
        return self.machine.cpus if self.machine else 1

    @property
    def memory_total(self) -> float:
        """Bytes of memory, 0 where that is not known."""
        return float(self.machine.memory_total) if self.machine else 0.0

    def now(self, channel: str) -> float:
        """What a channel is now; 0 where it was not observed: absence is no sign of anything."""
        return self.window.now(channel) or 0.0

    def of_kind(self, *kinds: str) -> list[Event]:
        """Events of these kinds, the oldest first."""
        return [event for event in self.events if event.kind in kinds]

    def standing(self, begins: str, *ends: str) -> list[Event]:
        """Events of the kind ``begins`` after which none of the kinds ``ends`` came of the same unit."""
        found: dict[str | None, Event] = {}
        for event in self.events:
            if event.kind == begins:
                found[event.unit] = event
            elif event.kind in ends:
                found.pop(event.unit, None)
        return list(found.values())

    def busiest_process(self, unit: str) -> str:
        """The process of ``unit`` that takes most of the CPU time, where one does."""
        found = [each for each in self.processes if each.unit == unit and each.cpu > 1.0]
        return str(max(found, key=lambda each: each.cpu)) if found else ""

    def largest_process(self, unit: str) -> str:
        """The process of ``unit`` that holds most memory."""
        found = [each for each in self.processes if each.unit == unit and each.memory > 0]
        return str(max(found, key=lambda each: each.memory)) if found else ""

    # Evidence

    def channels(self, *names: str) -> list[Evidence]:
        """Each channel that was observed, as it is now and as it is usual."""
        return [found for name in names if (found := self.channel(name)) is not None]

    def roles(self, what: str) -> list[Evidence]:
        """What slices and roles have of something, where nothing is known of units: ``cpu``, ``memory``."""
        if self.uses:
            return []
        groups = ("group.system", "group.user", "role.foreground", "role.background")
        return self.channels(*(f"system.{group}.{what}" for group in groups))

    def channel(self, name: str) -> Evidence | None:
        """One channel; None when it was not observed."""
        value, described = self.window.now(name), self.window.channel(name)
        if value is None or described is None:
            return None
        usual = self.window.usual(name)
        text = f"{name} is {quantity(value, described.unit)}"
        if usual is not None:
            low, high = (quantity(each, described.unit) for each in usual)
            text += f"; usual is {low} to {high}" if low != high else f"; usual is {low}"
        return Evidence(
            "channel",
            name,
            text,
            f"jepa watch {name}",
            self.window.at_ns,
            value=value,
            unit=described.unit,
            usual=usual,
        )

    def unit(
        self, name: str, text: str, value: float | None = None, unit: str = "", command: str = "jepa explain"
    ) -> Evidence:
        """What was measured of a unit; ``command`` and its name show it."""
        return Evidence("unit", name, text, f"{command} {shlex.quote(name)}", self.window.at_ns, value, unit)

    def waits(self, uses: Iterable[UnitUse], attribute: str, what: str) -> list[Evidence]:
        """That units wait for ``what``, a line each."""
        return [
            self.unit(
                use.name, f"{use.name} waits for {what} {getattr(use, attribute):.0f} % of the time",
                getattr(use, attribute), "%",
            )
            for use in list(uses)[:_NEWEST]
        ]  # fmt: skip

    def happened(self, events: Iterable[Event]) -> list[Evidence]:
        """The newest of ``events``."""
        return [
            Evidence(
                "event",
                event.kind,
                f"{event.kind.replace('_', ' ')} of {event.unit or 'the machine'}"
                + (f": {event.detail[:_LETTERS]}" if event.detail else ""),
                f"jepa events --kind {shlex.quote(event.kind)}",
                event.ts_ns,
            )
            for event in list(events)[-_NEWEST:]
        ]

    def expected(self, event: str) -> list[Evidence]:
        """That the world model expects ``event``, where it does."""
        likely = [(chance, horizon) for horizon, chance in self.probabilities.get(event, {}).items()]
        if not likely or max(likely)[0] < 0.5:
            return []
        chance, horizon = max(likely, key=lambda each: (each[0], -float(each[1])))
        return [
            Evidence(
                "forecast",
                event,
                f"{event.replace('_', ' ')} is expected within {horizon} s with {100 * chance:.0f} %",
                "jepa forecast",
                self.window.at_ns,
                value=100 * chance,
                unit="%",
            )
        ]

    def said(self, unit: str) -> list[Evidence]:
        """The newest line of ``unit`` in the journal, where it was read."""
        line = self.journal.get(unit)
        if line is None:
            return []
        return [
            Evidence(
                "journal",
                unit,
                f"{unit} says: {line.text[:_LETTERS]}",
                f"journalctl -u {shlex.quote(unit)} --cursor={shlex.quote(line.cursor)}",
                line.ts_ns,
                cursor=line.cursor,
            )
        ]

    def offender(self, use: UnitUse, share: float, of: str, process: str = "") -> Offender:
        """A unit with its measured share, in percent: two looks that do not fit may give more than all."""
        return Offender(use.name, round(max(0.0, min(100.0, share)), 1), of, process)

    def memory_of(self, use: UnitUse) -> Evidence:
        """What a unit holds, and how fast that grows."""
        grows = f" and grows by {bytes_text(use.growth)}/s" if use.growth >= 2**16 else ""
        return self.unit(use.name, f"{use.name} holds {bytes_text(use.memory)}{grows}", use.memory, "By")
