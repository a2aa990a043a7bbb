# SPDX-License-Identifier: Apache-2.0
"""What a person asks to have explained: names of this machine, a resource, or a sentence."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast, get_args

from jepa.errors import JepaError
from jepa.explanation.evidence import Resource
from jepa.explanation.ranking import Question
from jepa.language.inventory import Inventory
from jepa.language.resolve import units
from jepa.language.understanding import Understanding
from jepa.shell.channel_names import full_name

_CHANNELS: Final = {"power": ("hw.power", "hw.battery.charge")}
"""Resources of a task spec that are channels alone: nobody's share of them is measured."""


_SHOWN: Final = 80
"""Letters of a name that an error repeats."""


def question(words: Sequence[str], channels: Sequence[str], understanding: Understanding) -> Question:
    """What ``words`` ask about; JepaError when they are neither names nor a question that is understood.

    ``channels``: the names of those that there are.
    """
    if not words:
        return Question()
    found = [_named(word, channels, understanding.inventory) for word in words]
    named = [each for each in found if each is not None]
    if len(named) == len(found):
        return Question(
            tuple(unit for each in named for unit in each.units),
            tuple(pid for each in named for pid in each.pids),
            tuple(name for each in named for name in each.channels),
            next((each.resource for each in named if each.resource), None),
        )
    text = " ".join(words)
    if len(words) == 1 and " " not in text:
        raise _nothing_called(text)
    spec = understanding.parse(text)
    if spec["intent"] != "explain":
        raise JepaError(
            "That is no question that can be explained.",
            spec.get("question") or 'Ask, for instance, "why is the machine slow?".',
            status=422,
        )
    return _asked(understanding.resolved(spec), understanding.inventory)


def _named(word: str, channels: Sequence[str], inventory: Inventory) -> Question | None:
    if word in get_args(Resource):
        return Question(resource=cast("Resource", word))
    if word.isdecimal():
        return Question(pids=(int(word),))
    if full_name(word) in channels:
        return Question(channels=(full_name(word),))
    found = units(word.lower(), inventory) or ([word] if _is_unit(word, inventory) else [])
    return Question(units=tuple(found)) if found else None


def _is_unit(name: str, inventory: Inventory) -> bool:
    return name.endswith((".service", ".scope")) and inventory.knows(name.lower())


def _asked(spec: Mapping[str, Any], inventory: Inventory) -> Question:
    """The question of a task spec whose names are units."""
    for name in spec["targets"]:
        if not _is_unit(name, inventory):
            raise _nothing_called(name)
    resource: str | None = spec["resource"]
    if resource is not None and resource not in get_args(Resource):
        if resource not in _CHANNELS:
            raise JepaError(f"Nothing is measured of the {resource}.", "`jepa forecast` lists the channels.")
        return Question(tuple(spec["targets"]), channels=_CHANNELS[resource])
    return Question(tuple(spec["targets"]), resource=cast("Resource | None", resource))


def _nothing_called(name: str) -> JepaError:
    return JepaError(
        f"Nothing here is called {name[:_SHOWN]!r}.",
        "Name a unit, a process by its PID, a channel, cpu, memory, disk, io, network or temperature.",
        status=404,
    )
