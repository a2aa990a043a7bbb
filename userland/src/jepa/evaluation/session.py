# SPDX-License-Identifier: Apache-2.0
"""Judges one recording by itself: the sums from which figures of many are made, wherever each was replayed.

What leaves here is small beside the forecasts of every window, and does not depend on the other recordings.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jepa.evaluation.replay import Forecaster, changes, replay
from jepa.evaluation.scoring import APART, BlockSums, Replayed, merged, moving_channels, tallies
from jepa.packs.pack import Pack
from jepa.telemetry.frame import BoolArray
from jepa.telemetry.recording import Recording
from jepa.telemetry.schema import Schema
from jepa.world.event_definitions import EVENT_DEFINITIONS, EventDefinition, held
from jepa.world.forecast import FloatArray


@dataclass(frozen=True, slots=True)
class Sums:
    """What the windows of one recording, or some of them, come to."""

    kind: str
    parts: Sequence[BlockSums]
    knowable: Sequence[BlockSums]
    """Of the windows that the twin saw too; none without a twin."""
    moving: BoolArray  # (C,)


@dataclass(frozen=True, slots=True)
class Session:
    """One recording, judged."""

    schema: Schema
    about: dict[str, Any]
    scored: bool
    """Whether it has any window that can be judged."""
    whole: Sums
    steady: Sums | None
    """Of the windows in which nothing began or ended; None where nobody knows, or where they stand apart."""
    changing: Sums | None
    """Of the others."""
    literal: Sequence[BlockSums]
    """One, or none, with the band in the channels' units: no interval is given of it."""
    literal_moving: BoolArray  # (C,)
    values: FloatArray  # (T, C)
    holds: FloatArray  # of each event of the pack, at each frame
    probability: FloatArray | None  # (T, E, H)


def judge_session(
    recording: Recording,
    pack: Pack,
    twin: Recording | None = None,
    peers: Mapping[str, Forecaster] | None = None,
    *,
    adapt: bool = True,
) -> Session:
    """Replay ``recording`` through ``pack``, the baselines and ``peers``, and sum up how each did."""
    schema, shape = recording.schema, pack.manifest.shape
    replayed = replay(recording, pack, twin, peers, adapt=adapt)

    def sums(windows: Replayed) -> Sums:
        twice = windows.knowable()
        return Sums(
            windows.kind,
            tallies(windows, schema, shape.quantiles),
            [] if twice is None else tallies(twice, schema, shape.quantiles),
            moving_channels([windows], schema),
        )

    mask = None if replayed.kind in APART else changes(recording, shape.horizons_s)
    return Session(
        schema=schema,
        about=_describe(recording),
        scored=bool(replayed.scored.any()),
        whole=sums(replayed),
        steady=None if mask is None else sums(replayed.only(~mask)),
        changing=None if mask is None else sums(replayed.only(mask)),
        literal=merged(tallies(replayed, schema, shape.quantiles, literal=True)),
        literal_moving=moving_channels([replayed], schema, literal=True),
        values=recording.values,
        holds=held(recording, definitions_of(shape.events)),
        probability=replayed.event_probability,
    )


def definitions_of(names: Sequence[str]) -> list[EventDefinition]:
    """What the events ``names`` are."""
    return [next(each for each in EVENT_DEFINITIONS if each.name == name) for name in names]


def _describe(recording: Recording) -> dict[str, Any]:
    labels = recording.meta.labels
    shown = ("name", "kind", "programs", "idle_share", "seed")
    kept: dict[str, Any] = {key: labels[key] for key in shown if key in labels}
    return {
        **kept,
        "frames": len(recording.ts_ns),
        "cpus": recording.meta.cpus,
        "kernel": recording.meta.kernel,
    }
