# SPDX-License-Identifier: Apache-2.0
"""The closed set of actions: all that planning sees of actions.

They are written down in ``jepa.actions.action_types``, a module a family, which is imported when one of its
actions is asked for.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import cache
from importlib import import_module
from typing import NamedTuple

from jepa.actions.action_types import NAMES
from jepa.errors import JepaError

Value = str | int | float | bool | None
"""A setting as it is journalled and shown; None where nothing is set."""


class Tier(StrEnum):
    """What a change may cost."""

    TUNE = "tune"
    """Reversible and harmless."""
    DISRUPT = "disrupt"
    """Interrupts somebody's work."""
    IRREVERSIBLE = "irreversible"
    """Cannot be taken back."""


class TargetKind(StrEnum):
    """What an action is applied to."""

    UNIT = "unit"
    """A service, scope or slice; a role stands for its slice."""
    TIMER = "timer"
    PROCESS = "process"
    DEVICE = "device"
    MACHINE = "machine"
    """The machine itself: the action takes no target."""


class ValueType(StrEnum):
    """How a value is written."""

    INTEGER = "integer"
    NUMBER = "number"
    PERCENT = "percent"
    """``40%``; above 100 % where more than one CPU is meant."""
    BYTES = "bytes"
    """``512M``: bytes with an optional suffix K, M, G or T, powers of 1024; or part of memory, ``10%``."""
    RATE = "rate"
    """``10M``: as bytes, a second; ``DEVICE:10M`` for one disk."""
    CHOICE = "choice"
    TEXT = "text"
    NONE = "none"
    """The action takes no value."""


class Persistence(StrEnum):
    """Whether a setting survives a reboot."""

    RUNTIME = "runtime"
    PERSISTENT = "persistent"


class ActionType(NamedTuple):
    """One entry of the catalogue."""

    name: str
    """Such as ``cpu.max``."""
    family: str
    """The module of ``jepa.actions.families`` that applies it."""
    target: TargetKind
    type: ValueType
    tier: Tier
    summary: str
    """One line."""
    description: str
    """What it does, when it helps and what it costs, as in a manual page."""
    example: str
    """A command line."""
    setting: str = ""
    """What is changed, in the family's words: actions of one setting exclude each other on one target. The
    action's own name where ``action_types`` says nothing else."""
    constant: Value = None
    """The value that an action without one applies, such as ``frozen``."""
    inverse: str = "previous value"
    """What takes it back: the previous value, another action, or nothing (empty)."""
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    choices: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    """Values beside the range, such as ``max`` for no limit."""
    persistence: Persistence = Persistence.RUNTIME
    rate_per_hour: int = 60
    """Changes of one target an hour."""
    dwell_s: float = 0.0
    """The least time between two changes of one target."""
    excludes: tuple[str, ...] = ()
    """Actions that may not be in force on the same target."""
    conserving: bool = False
    """Whether it takes from its target only what others want just then, and so costs nobody anything while
    they want nothing; a limit takes it also then."""
    needs: tuple[str, ...] = ()
    """What the kernel or systemd must have: files below the root, or words that the family knows."""

    @property
    def reversible(self) -> bool:
        """Whether it can be taken back."""
        return self.tier is not Tier.IRREVERSIBLE and bool(self.inverse)

    @property
    def takes_value(self) -> bool:
        """Whether a value has to be given."""
        return self.type is not ValueType.NONE


class Catalogue(Mapping[str, ActionType]):
    """The actions by name, in the order of the documentation."""

    def __init__(self, actions: Mapping[str, ActionType]) -> None:
        self._actions = dict(actions)

    def __getitem__(self, name: str) -> ActionType:
        return self._actions[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._actions)

    def __len__(self) -> int:
        return len(self._actions)

    def find(self, name: str) -> ActionType:
        """The action of that name; JepaError (404) naming the nearest ones."""
        if (found := self._actions.get(name)) is not None:
            return found
        import difflib  # takes longer than all else here, and only errors need it

        near = difflib.get_close_matches(name, self._actions, n=3, cutoff=0.5)
        remedy = f"Did you mean {' or '.join(near)}?" if near else "`jepa actions` lists them."
        raise JepaError(f"There is no action {name[:80]!r}.", remedy, status=404)


@cache
def action_type(name: str) -> ActionType:
    """The action of that name, without importing all the others; JepaError (404) naming the nearest ones."""
    for family, names in NAMES.items():
        if name in names:
            return _family(family)[names.index(name)]
    return catalogue().find(name)


@cache
def catalogue() -> Catalogue:
    """Every action."""
    return Catalogue({action.name: action for family in NAMES for action in _family(family)})


@cache
def _family(name: str) -> tuple[ActionType, ...]:
    entries: tuple[ActionType, ...] = import_module(f"jepa.actions.action_types.{name}").ACTIONS
    return tuple(entry if entry.setting else entry._replace(setting=entry.name) for entry in entries)
