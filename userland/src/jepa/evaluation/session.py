# SPDX-License-Identifier: Apache-2.0
"""Judges one recording by itself: the sums from which figures of many are made, wherever each was replayed.

What leaves here is small beside the forecasts of every window, and does not depend on the other recordings.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from jepa.evaluation.alert_scoring import (
    LEVELS,
    AlertTrace,
    CountsByLevel,
    count_alerts,
    model_alerts,
    threshold_alerts,
    total,
)
from jepa.evaluation.replay import Forecaster, changes, replay
from jepa.evaluation.scoring import APART, BlockSums, Replayed, merged, moving_channels, tallies
from jepa.packs.pack import Pack
from jepa.telemetry.frame import BoolArray
from jepa.telemetry.recording import Recording
from jepa.telemetry.schema import Schema
from jepa.world.event_definitions import EVENT_DEFINITIONS, EventDefinition, held

MODEL: Final = "model"
RULE_OF_THUMB: Final = "half way"
"""Alerts once a channel is half way to its event's threshold."""


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
    alerts: Mapping[str, CountsByLevel]
    """By who alerts."""


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
        alerts=_alerts(recording, replayed, shape.events),
    )


def together(sessions: Iterable[Session]) -> Session:
    """One or more recordings of one kind as one, without their minutes; what describes the first is kept.

    In double precision, so that figures do not depend on how many were put together before.
    """
    first, *rest = sessions
    whole = _together([each.whole for each in (first, *rest)])
    assert whole is not None
    return replace(
        first,
        scored=any(each.scored for each in (first, *rest)),
        whole=whole,
        steady=_together([each.steady for each in (first, *rest) if each.steady is not None]),
        changing=_together([each.changing for each in (first, *rest) if each.changing is not None]),
        literal=merged([part for each in (first, *rest) for part in each.literal]),
        literal_moving=np.any([each.literal_moving for each in (first, *rest)], axis=0),
        alerts={
            who: {level: total(each.alerts[who][level] for each in (first, *rest)) for level in levels}
            for who, levels in first.alerts.items()
        },
    )


def _together(some: Sequence[Sums]) -> Sums | None:
    if not some:
        return None
    return Sums(
        some[0].kind,
        merged([part for each in some for part in each.parts]),
        merged([part for each in some for part in each.knowable]),
        np.any([each.moving for each in some], axis=0),
    )


def _alerts(recording: Recording, replayed: Replayed, names: Sequence[str]) -> dict[str, CountsByLevel]:
    definitions = definitions_of(names)
    holds = held(recording, definitions)
    assert replayed.event_probability is not None
    probability = replayed.event_probability

    def counted(warn: Callable[[float], BoolArray]) -> CountsByLevel:
        return {level: count_alerts(AlertTrace(holds, warn(level)), names) for level in LEVELS}

    return {
        MODEL: counted(lambda level: model_alerts(probability, level)),
        RULE_OF_THUMB: counted(
            lambda share: threshold_alerts(recording.values, recording.schema, definitions, share)
        ),
    }


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
