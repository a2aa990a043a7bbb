# SPDX-License-Identifier: Apache-2.0
"""What an explanation consists of: causes, who is behind them, and the evidence for each claim."""

from dataclasses import dataclass, field
from typing import Literal

EvidenceKind = Literal[
    "channel", "unit", "process", "event", "journal", "change", "forecast", "surprise", "state"
]
Resource = Literal["cpu", "memory", "disk", "io", "network", "temperature", "service", "log"]
"""What is short, in the words of a task spec ("disk" is space, "io" is activity); and services, the log."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One measured or reported thing, and where it can be looked up."""

    kind: EvidenceKind
    source: str
    """The channel, unit, process, kind of event, or id of a change."""
    text: str
    """One clause for people, with the number."""
    command: str
    """The command line that shows the same."""
    ts_ns: int
    """Wall-clock time of the reading or the event, nanoseconds since the epoch."""
    value: float | None = None
    unit: str = ""
    """The unit of ``value`` and ``usual``, as channels have them."""
    usual: tuple[float, float] | None = None
    """Between which 5 % and 95 % of the earlier readings were; None where too few are known."""
    cursor: str = ""
    """Of a line in the journal: its cursor."""


@dataclass(frozen=True, slots=True)
class Offender:
    """A unit with its measured share of what is short, or with a state of its own, such as failed."""

    name: str
    share: float | None
    """Percent of ``of``; None for a state."""
    of: str
    """What it is a share of, such as ``CPU time``; or the state."""
    process: str = ""
    """Its process that takes most, with the PID, where one does."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing that makes the machine, or a unit, what it is now."""

    kind: str
    """The name of the cause, such as ``cpu_contention``; docs/reference/cli.md lists them."""
    resource: Resource
    summary: str
    """One sentence."""
    severity: float
    """How much it explains, 0 to 1: causes are ordered by it."""
    offenders: tuple[Offender, ...] = ()
    """Who takes what is short, the largest share first; empty where nobody is to blame or none is known."""
    suffers: tuple[str, ...] = ()
    """Units that are measured to wait for it, or that failed."""
    evidence: tuple[Evidence, ...] = ()

    @property
    def units(self) -> frozenset[str]:
        """Every unit that it is about."""
        return frozenset((*self.suffers, *(each.name for each in self.offenders)))


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer to one question."""

    about: str
    """What was asked about: ``machine``, a resource, or names of units, processes or channels."""
    at_ns: int
    """Wall-clock time that is explained, nanoseconds since the epoch."""
    over_s: float
    """Seconds of frames and events that were looked at."""
    sampled_s: float
    """Seconds over which the use of units was measured; 0 where it was not."""
    causes: tuple[Cause, ...] = ()
    """The most likely first; empty when nothing stands out."""
    facts: tuple[Evidence, ...] = ()
    """How what was asked about is, which accuses nobody."""
    changes: tuple[Evidence, ...] = ()
    """What jepa changed of late, and what came of it."""
    limits: tuple[str, ...] = field(default=())
    """What could not be looked at, a sentence each."""
