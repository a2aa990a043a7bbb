# SPDX-License-Identifier: Apache-2.0
"""The closed set of actions, read from ``catalogue_files/``: all that planning sees of actions."""

import os
import tomllib
from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import cache
from typing import Any, Final, NamedTuple

from jepa.errors import JepaError

DIRECTORY: Final = os.path.join(os.path.dirname(__file__), "catalogue_files")
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
    setting: str
    """What is changed, in the family's words: actions of one setting exclude each other on one target."""
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
    """The actions by name, in the order of the files."""

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
    """The action of that name, without reading all the others; JepaError (404) naming the nearest ones."""
    for family, text in _files(DIRECTORY):
        defaults, *entries = text.split("[[action]]")
        for entry in entries:
            if f'\nname = "{name}"\n' in entry:
                content = tomllib.loads(f"{defaults}[[action]]{entry}")
                return _made(content, content["action"][0], family)
    return catalogue().find(name)


@cache
def catalogue() -> Catalogue:
    """The packaged catalogue."""
    return load(DIRECTORY)


def load(directory: str | os.PathLike[str]) -> Catalogue:
    """The catalogue in ``directory``; ValueError for an entry that is wrong or named twice."""
    actions: dict[str, ActionType] = {}
    for family, text in _files(directory):
        content = tomllib.loads(text)
        for entry in content["action"]:
            action = _made(content, entry, family)
            if action.name in actions:
                raise ValueError(f"{family}.toml: {action.name} is there twice")
            actions[action.name] = action
    return Catalogue(actions)


def _files(directory: str | os.PathLike[str]) -> Iterator[tuple[str, str]]:
    """The family and the text of each file, in the order of their names."""
    for name in sorted(os.listdir(directory)):
        if name.endswith(".toml"):
            with open(os.path.join(directory, name), encoding="utf-8") as file:
                yield name.removesuffix(".toml"), file.read()


def _made(content: Mapping[str, Any], entry: Mapping[str, Any], family: str) -> ActionType:
    return _action({"family": family, **content.get("defaults", {}), **entry}, f"{family}.toml")


def _action(entry: dict[str, Any], file: str) -> ActionType:
    entry.setdefault("setting", entry["name"])
    for key, kind in (
        ("tier", Tier),
        ("target", TargetKind),
        ("type", ValueType),
        ("persistence", Persistence),
    ):
        if key in entry:
            entry[key] = kind(entry[key])
    for key in ("choices", "words", "excludes", "needs"):
        entry[key] = tuple(entry.get(key, ()))
    try:
        action = ActionType(**entry)
    except TypeError as error:
        raise ValueError(f"{file}: {entry['name']}: {error}") from None
    bounded = action.type in (ValueType.INTEGER, ValueType.NUMBER, ValueType.PERCENT)
    if bounded and (action.minimum is None or action.maximum is None):
        raise ValueError(f"{file}: {action.name} has no range")
    if action.type is ValueType.CHOICE and not (action.choices or action.words):
        raise ValueError(f"{file}: {action.name} has no choices")
    if action.type is ValueType.NONE and action.constant is None and action.reversible:
        raise ValueError(f"{file}: {action.name} applies nothing that could be taken back")
    return action
