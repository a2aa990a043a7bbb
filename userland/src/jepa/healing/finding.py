# SPDX-License-Identifier: Apache-2.0
"""A fault that a detector sees now."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Fault(StrEnum):
    """The kinds of fault, by which the ladders are named."""

    UNIT_FAILED = "unit_failed"
    DEPENDENCY_FAILED = "dependency_failed"
    FLAPPING = "flapping"
    HUNG = "hung"
    LEAK = "leak"
    MEMORY_THRASHING = "memory_thrashing"
    DISK_FILLING = "disk_filling"
    FILE_SYSTEM_FAILED = "file_system_failed"
    RUNAWAY = "runaway"
    FORK_STORM = "fork_storm"
    LOG_STORM = "log_storm"


@dataclass(frozen=True, slots=True)
class RepairTarget:
    """What an action is to be taken on: a unit, or a process without a control group of its own."""

    name: str
    """A unit's name, or a PID."""
    kind: str = "unit"
    """``unit`` or ``process``."""
    detail: str = ""
    """The name of the process."""

    def __str__(self) -> str:
        return f"{self.detail} (process {self.name})" if self.kind == "process" else self.name


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault of one subject, for as long as its detector reports it."""

    fault: Fault
    subject: str
    """The unit, mount point or machine that suffers."""
    summary: str
    """One sentence for people, with its numbers."""
    offenders: tuple[RepairTarget, ...]
    """What causes it, the likeliest first."""
    left_s: float | None = None
    """Seconds until it does harm; None when it does already."""
    evidence: Mapping[str, float] = field(default_factory=dict)
    """The numbers by their names."""

    @property
    def key(self) -> tuple[Fault, str]:
        """One episode at a time for each."""
        return self.fault, self.subject
