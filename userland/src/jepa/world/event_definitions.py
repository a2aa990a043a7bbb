# SPDX-License-Identifier: Apache-2.0
"""The events whose probability is forecast: when each holds, and whether one comes within a horizon."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from jepa.telemetry.events.event import Event
from jepa.telemetry.frame import BoolArray
from jepa.telemetry.recording import LISTENED, Recording
from jepa.telemetry.schema import Schema
from jepa.world.forecast import FloatArray


@dataclass(frozen=True, slots=True)
class EventDefinition:
    """It holds while the mean of ``channel`` over the last ``over_s`` frames is at least ``threshold``.

    With ``event``, it holds when an event of that kind was reported, and ``channel`` only leads up to it.
    """

    name: str
    channel: str
    threshold: float
    over_s: int
    hint: str
    """Another channel that leads up to it."""
    event: str | None = None


EVENT_DEFINITIONS: Final[tuple[EventDefinition, ...]] = (
    EventDefinition("cpu_saturation", "system.pressure.cpu.some", 40.0, 5, "system.cpu.runnable"),
    EventDefinition("memory_pressure", "system.pressure.memory.some", 10.0, 5, "system.memory.utilization"),
    EventDefinition("io_stall", "system.pressure.io.full", 20.0, 5, "system.disk.utilization"),
    EventDefinition("oom_kill", "system.paging.oom_kills", 0.01, 1, "system.memory.utilization"),
    EventDefinition("disk_full", "system.filesystem.utilization", 95.0, 1, "system.disk.io.write"),
    EventDefinition(
        "unit_failure", "system.process.exited.failed", 1.0, 5, "system.process.exited.killed", "unit_failed"
    ),
)
"""Thresholds as systemd-oomd and node monitors have them, by their order of magnitude."""


def holding(
    values: FloatArray, schema: Schema, definitions: Sequence[EventDefinition] = EVENT_DEFINITIONS
) -> FloatArray:
    """(T, E): 1 where an event holds, 0 where not, NaN where its channel was not observed."""
    result = np.full((len(values), len(definitions)), np.nan, np.float32)
    for column, definition in enumerate(definitions):
        series = values[:, schema.index(definition.channel)].astype(np.float64)
        seen = np.isfinite(series)
        total = np.concatenate([[0.0], np.cumsum(np.where(seen, series, 0.0))])
        count = np.concatenate([[0], np.cumsum(seen)])
        last = np.arange(1, len(series) + 1)
        first = np.maximum(last - definition.over_s, 0)
        known = count[last] - count[first]
        mean = (total[last] - total[first]) / np.maximum(known, 1)
        # A short history does not make an event: what was not there yet counts as none.
        mean *= known / np.maximum(definition.over_s, known)
        result[:, column] = np.where(seen, mean >= definition.threshold, np.nan)
    return result


def held(recording: Recording, definitions: Sequence[EventDefinition] = EVENT_DEFINITIONS) -> FloatArray:
    """(T, E) as ``holding``, reported events too; NaN where nothing recorded such reports."""
    result = holding(recording.values, recording.schema, definitions)
    for column, definition in enumerate(definitions):
        if definition.event is not None:
            result[:, column] = reported_at(recording.events, recording.ts_ns, definition.event)
            if not recording.meta.labels.get(LISTENED) or recording.meta.service_manager is False:
                result[:, column] = np.nan
    return result


def reported_at(events: Sequence[Event], ts_ns: npt.NDArray[np.int64], kind: str) -> FloatArray:
    """(T,) 1 at the first frame at or after each event of ``kind``, else 0."""
    result = np.zeros(len(ts_ns), np.float32)
    frames = np.searchsorted(ts_ns, [event.ts_ns for event in events if event.kind == kind])
    result[frames[frames < len(ts_ns)]] = 1
    return result


def within(holds: FloatArray, horizons: Sequence[int]) -> tuple[BoolArray, BoolArray]:
    """(T, E, H) whether an event (T, E) holds within (t, t+h], and (T, E, H) whether that is known."""
    frames = len(holds)
    came = np.zeros((*holds.shape, len(horizons)), np.bool_)
    known = np.zeros_like(came)
    on, seen = np.nan_to_num(holds) > 0, np.isfinite(holds)
    for column, horizon in enumerate(horizons):
        for ahead in range(1, min(horizon, frames - 1) + 1):
            came[:-ahead, :, column] |= on[ahead:]
        known[: frames - horizon, :, column] = seen[horizon:] if frames > horizon else False
    return came, known
