# SPDX-License-Identifier: Apache-2.0
"""Takes the names out of a recording: text that a machine, its programs or its people chose becomes a hash.

A rule that lists what may stay cannot miss a name: numbers, and words of our own catalogues. Free text,
such as a line of the kernel's log, is hashed as a whole, since nobody can say which words are names.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, get_args

from jepa.fleet.keys import FleetKey
from jepa.telemetry.events.event import KINDS, Event, Severity
from jepa.telemetry.recording import LISTENED, Action, Meta, Recording
from jepa.telemetry.roles import ROLES

SOURCES: Final = (
    "",
    "kmsg",
    "units",
    "user-units",
    "devices",
    "health",
    "vision",
    "healing",
    "collector",
    "model",
)
"""Who reports events; what stands beside `Event.source`."""
_SEVERITIES: Final = get_args(Severity)
_LABELS: Final = (LISTENED,)
_SOURCE_FIELDS: Final = ("name", "ok", "channels", "of")


class Names:
    """Hashes names under the key of a fleet, and remembers which stands for which."""

    def __init__(self, key: FleetKey, table: Mapping[str, str] | None = None) -> None:
        self._key = key
        self.table = dict(table or {})
        """Pseudonym to name: for the owner's eyes alone."""

    def hidden(self, kind: str, name: str) -> str:
        """What stands for ``name``."""
        pseudonym = self._key.pseudonym(kind, name)
        self.table[pseudonym] = name
        return pseudonym


def without_names(recording: Recording, names: Names) -> Recording:
    """``recording`` as it may leave the machine; ``names`` then has what was taken out."""
    return replace(
        recording,
        events=tuple(_event(each, names) for each in recording.events),
        actions=tuple(_action(each, names) for each in recording.actions),
        meta=_meta(recording.meta),
    )


def _event(event: Event, names: Names) -> Event:
    return Event(
        event.ts_ns,
        event.kind if event.kind in KINDS else names.hidden("kind", event.kind),
        None if event.unit is None else names.hidden("unit", event.unit),
        None if event.detail is None else names.hidden("text", event.detail),
        event.severity if event.severity in _SEVERITIES else "info",
        event.source if event.source in SOURCES else names.hidden("source", event.source),
    )


def _action(action: Action, names: Names) -> Action:
    return replace(action, args={key: _plain(value, names) for key, value in action.args.items()})


def _plain(value: Any, names: Names) -> Any:
    if value is None or isinstance(value, bool | int | float) or value in ROLES:
        return value
    return names.hidden("text", str(value))


def _meta(meta: Meta) -> Meta:
    """Its shape alone: a label is the caller's word, and the reason why a source failed may name a file."""
    return replace(
        meta,
        sources=[{key: each[key] for key in _SOURCE_FIELDS if key in each} for each in meta.sources],
        labels={key: meta.labels[key] is True for key in _LABELS if key in meta.labels},
    )
