# SPDX-License-Identifier: Apache-2.0
"""Gathers what an explanation is made of: frames and events of jepad, a look at the machine, the history."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from jepa.errors import JepaError
from jepa.explanation.causes.network import MANY
from jepa.explanation.evidence import Explanation
from jepa.explanation.machine import newest_lines, sample
from jepa.explanation.ranking import Question, explain
from jepa.explanation.situation import Situation
from jepa.explanation.window import FrameWindow
from jepa.telemetry.events.event import Event
from jepa.telemetry.frame import Frame
from jepa.telemetry.schema import Schema, load_schema

if TYPE_CHECKING:
    from jepa.actions.change import Change
    from jepa.service.api import Client, EventOut, FrameOut

_FRAMES: Final = 600
"""As many as jepad keeps in memory."""
_OVER_NS: Final = 600 * 10**9
"""What is older explains nothing, and after a break frames of an earlier day are kept, too."""
_NEWEST: Final = 5
_EVENTS: Final = 1000
_CITED: Final = 4
"""Units whose newest line in the journal is read."""
_SPOKEN: Final = ("service", "log", "memory")
"""Causes of which the journal may say more."""
_LATE_NS: Final = 5 * 10**9


def explained(
    client: "Client",
    changes: "Callable[[], Sequence[Change]]",
    question: Question,
    ago_s: int | None = None,
) -> Explanation:
    """Why it is so now, after a look of some seconds, or was so ``ago_s`` seconds ago.

    ``changes``: the newest that jepa made. JepaError when jepad does not answer, or has no frame of then.
    """
    schema = load_schema()
    if ago_s is not None:
        return explain(_earlier(client, changes, schema, ago_s), question)
    seen = _now(client, changes, schema)
    found = explain(seen, question)
    units = [*question.units]
    units += [unit for cause in found.causes if cause.resource in _SPOKEN for unit in sorted(cause.units)]
    lines = newest_lines(list(dict.fromkeys(units))[:_CITED])
    return explain(replace(seen, journal=lines), question) if lines else found


def _now(client: "Client", changes: "Callable[[], Sequence[Change]]", schema: Schema) -> Situation:
    from jepa.actions.systemd_bus import SystemdBus

    client.status()  # refused at once where there is none, not after the sample
    newest = FrameWindow(schema, [_frame(schema, frame) for frame in client.frames(limit=_NEWEST)])
    taken = sample(SystemdBus(), storm=(newest.now("system.network.tcp.opened") or 0) >= MANY)
    seen = _recorded(client, changes, schema, client.frames(limit=_FRAMES), time.time_ns())
    limits = list(seen.limits)
    if not taken.uses:
        limits.append("What units use cannot be read here (control groups of version 2): none can be named.")
    probabilities: dict[str, dict[str, float]] = {}
    with suppress(JepaError):
        probabilities = client.forecast().event_probability
    return replace(
        seen,
        uses=taken.uses,
        processes=taken.processes,
        machine=taken.machine,
        sampled_s=taken.seconds,
        own_cpu=taken.own_cpu,
        probabilities=probabilities,
        surprise=client.status().surprise,
        limits=tuple(limits),
    )


def _earlier(
    client: "Client", changes: "Callable[[], Sequence[Change]]", schema: Schema, ago_s: int
) -> Situation:
    at_ns = time.time_ns() - ago_s * 10**9
    frames = [frame for frame in client.frames(limit=_FRAMES) if frame.ts_ns <= at_ns]
    if not frames or at_ns - frames[-1].ts_ns > _LATE_NS:
        raise JepaError(
            f"There is no frame of {ago_s} s ago.",
            "jepad keeps those of the last ten minutes; `jepa events` goes further back.",
            status=404,
        )
    seen = _recorded(client, changes, schema, frames, at_ns)
    missing = "What units used then is not kept: only events name units."
    return replace(seen, limits=(*seen.limits, missing))


def _recorded(
    client: "Client",
    changes: "Callable[[], Sequence[Change]]",
    schema: Schema,
    frames: "Sequence[FrameOut]",
    at_ns: int,
) -> Situation:
    """What frames, events and the journal of changes say of the time up to ``at_ns``."""
    limits: list[str] = []
    since_ns = at_ns - _OVER_NS
    frames = [frame for frame in frames if frame.ts_ns > since_ns]
    made: Sequence[Change] = ()
    try:
        made = changes()
    except JepaError as error:
        limits.append(f"What jepa changed is not known: {error.problem}")
    return Situation(
        FrameWindow(schema, [_frame(schema, frame) for frame in frames]),
        events=tuple(
            _event(event) for event in client.events(limit=_EVENTS) if since_ns <= event.ts_ns <= at_ns
        ),
        changes=tuple(change for change in made if since_ns <= change.ts_ns <= at_ns),
        limits=tuple(limits),
    )


def _frame(schema: Schema, frame: "FrameOut") -> Frame:
    given = [frame.values.get(name) for name in schema.names]
    values = np.array([np.nan if value is None else value for value in given], np.float32)
    return Frame(frame.ts_ns, values, np.isfinite(values))


def _event(event: "EventOut") -> Event:
    return Event(event.ts_ns, event.kind, event.unit, event.detail, event.severity, event.source)
