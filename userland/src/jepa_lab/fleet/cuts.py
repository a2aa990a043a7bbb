# SPDX-License-Identifier: Apache-2.0
"""Cuts of a few minutes out of the parts of a store: drawn from the manifests alone, loaded when needed.

What is drawn depends on a seed and on what the manifests say, on nothing that a worker did. So a training
that was interrupted is shown the same again.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from jepa.errors import JepaError
from jepa.fleet.manifest import StoredRecording
from jepa.telemetry.recording import Recording
from jepa.telemetry.schema import Schema
from jepa_lab.fleet.cluster import Away, use_part
from jepa_lab.fleet.survey import Host, Problem

CUT: Final = 240
"""Frames: the context of the model, and two minutes to see it with."""
_FROM_ONE: Final = 4
"""Cuts out of a part that was loaded: loading takes longer than cutting."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """Some cuts out of one part."""

    host: str
    part: StoredRecording
    starts: tuple[int, ...]


def slim(host: Host) -> Host:
    """``host`` with what is needed to draw and to fetch its parts."""
    return replace(host, levels={}, names={})


def draw(hosts: Sequence[Host], cuts: int, rng: random.Random) -> list[Drawn]:
    """``cuts`` cuts, every machine as likely as another however much it sent, every frame of one alike."""
    drawn: list[Drawn] = []
    while cuts > 0:
        host = rng.choice(hosts)
        (part,) = rng.choices(host.parts, [each.frames for each in host.parts])
        some = min(cuts, _FROM_ONE, max(1, part.frames // CUT))
        last = max(0, part.frames - CUT)
        drawn.append(Drawn(host.host, part, tuple(rng.randint(0, last) for _ in range(some))))
        cuts -= some
    return drawn


def sample(hosts: Sequence[Host], cuts: int, rng: random.Random) -> list[Drawn]:
    """At most ``cuts`` cuts, one at a time from each machine in turn, none of them twice."""
    found: dict[tuple[str, str, int], Drawn] = {}
    for number in range(4 * cuts):
        host = hosts[number % len(hosts)]
        (one,) = draw([host], 1, rng)
        found.setdefault((one.host, one.part.name, one.starts[0]), one)
        if len(found) == cuts:
            break
    return list(found.values())


def load(address: str, drawn: Drawn, schema: Schema) -> list[Recording]:
    """The cuts; JepaError when their part is away, or is not what its machine has signed."""
    loaded = load_if_good(address, drawn, schema)
    if isinstance(loaded, Problem):
        raise JepaError(f"{loaded.place} cannot be used any more: {loaded.what}", "Begin again without it.")
    return loaded


def load_if_good(address: str, drawn: Drawn, schema: Schema) -> list[Recording] | Problem:
    """The cuts, or why their part cannot be used; JepaError when it is away."""
    loaded = use_part(
        address,
        drawn.host,
        drawn.part,
        schema,
        lambda recording: [cut(recording, start) for start in drawn.starts],
    )
    if isinstance(loaded, Away):
        raise JepaError(loaded.problem, loaded.remedy, status=503)
    return loaded


def cut(recording: Recording, start: int) -> Recording:
    """CUT frames from ``start`` on, fewer at the end, with what was set before them."""
    ts_ns = recording.ts_ns[start : start + CUT]
    first, last = int(ts_ns[0]), int(ts_ns[-1])
    return replace(
        recording,
        ts_ns=ts_ns,
        values=recording.values[start : start + CUT],
        actions=tuple(each for each in recording.actions if each.ts_ns <= last),
        events=tuple(each for each in recording.events if first <= each.ts_ns <= last),
        meta=replace(
            recording.meta, start_ns=first, frames=len(ts_ns), seconds=(last - first) / 1e9, missed=None
        ),
    )
