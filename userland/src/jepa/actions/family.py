# SPDX-License-Identifier: Apache-2.0
"""The seam between the transaction, the same for all, and families, which know one kind of setting each."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from jepa.actions.catalogue import ActionType, TargetKind, Value
from jepa.actions.service_manager import NoServiceManager, ServiceManager


@dataclass(frozen=True, slots=True)
class Host:
    """The machine that is changed: everything a family may touch, so that tests can hand it another."""

    root: Path = Path("/")
    """Where /proc, /sys and /etc are."""
    manager: ServiceManager = field(default_factory=NoServiceManager)
    monotonic_s: Callable[[], float] = time.monotonic
    own_pids: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Resource:
    """What a change is made to, by an identity that nothing else can take over while it is in force."""

    kind: TargetKind
    name: str
    """The canonical name: a unit's id, a device's path in /sys, a PID; empty for the machine."""
    setting: str
    """The setting of it, as in the catalogue."""
    identity: str = ""
    """What distinguishes it from a later one of its name: a unit's invocation, a process's start time and
    inode, a device's number. Empty where the name is enough."""
    detail: str = ""
    """For people: a process's command, a device's model."""

    @property
    def key(self) -> str:
        """One change at a time is in flight for each key."""
        return f"{self.kind}:{self.name}:{self.setting}"


class Family(Protocol):
    """Knows one kind of setting. Every method may raise JepaError, which names the thing and the remedy."""

    def missing(self, host: Host, action: ActionType) -> str | None:
        """Why ``action`` cannot work on this machine, in one sentence; None when it can."""

    def resolve(self, host: Host, action: ActionType, target: str) -> Resource:
        """The thing that ``target`` names now. JepaError (404) when there is none."""

    def read(self, host: Host, resource: Resource) -> Value:
        """The value in force. JepaError (409) when the resource is gone or is another one by now."""

    def check(self, host: Host, action: ActionType, resource: Resource, value: Value) -> Value:
        """``value``, in range already, as it will be read back. JepaError (422) when it would do harm."""

    def apply(self, host: Host, resource: Resource, value: Value) -> None:
        """Put ``value`` in force. Must not change anything when it raises."""

    def verify(self, host: Host, resource: Resource, value: Value) -> None:
        """JepaError (500) unless ``value`` is in force."""

    def undo(self, host: Host, resource: Resource, old: Value) -> None:
        """Put ``old``, which was read before, in force again. Must be safe to call twice."""


@runtime_checkable
class Lingers(Protocol):
    """A family whose settings outlive what they were made to, and would hold for another one of its name."""

    def forget(self, host: Host, resource: Resource) -> None:
        """Remove what is left of a setting whose resource is gone. Must be safe to call twice."""


@runtime_checkable
class Stepwise(Protocol):
    """A family whose changes take several steps, so that a crash may leave the first of them done."""

    def is_mixture(self, found: Value, old: Value, new: Value) -> bool:
        """Whether ``found``, as it was read, is made up of ``old`` and ``new`` and nothing else."""
