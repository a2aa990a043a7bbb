# SPDX-License-Identifier: Apache-2.0
"""What jepa-telemetry sends its readers: one JSON object in each packet of a SOCK_SEQPACKET socket.

``hello`` comes first, then ``sources`` (at once, and whenever a state changed), ``frame`` (one a period) and
``event`` (as they happen; to a new reader first the newest that are known). There is no other direction.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from jepa.telemetry.events.event import Event
from jepa.telemetry.frame import Frame
from jepa.telemetry.histogram import Histogram
from jepa.telemetry.source_state import SourceState

LARGEST = 1 << 18
"""Bytes of the largest packet a reader takes."""


@dataclass(frozen=True, slots=True)
class Hello:
    """Which channels the frames have, and how often they come."""

    schema_version: int
    schema_digest: str
    period_s: float
    instance: str
    """Another one after each start of the collector; sequence numbers of events start anew with it."""


@dataclass(frozen=True, slots=True)
class Sources:
    """How each source did at the last reading, and periods that passed without a frame so far."""

    states: tuple[SourceState, ...]
    missed: int


@dataclass(frozen=True, slots=True)
class Observed:
    """One frame, and the histograms of what happened since the one before."""

    frame: Frame
    histograms: tuple[Histogram, ...]


@dataclass(frozen=True, slots=True)
class EventMessage:
    """One event and its number since the collector started."""

    number: int
    event: Event


Message = Hello | Sources | Observed | EventMessage


def encode(message: Message) -> bytes:
    """``message`` as one packet."""
    return json.dumps(_content(message), separators=(",", ":")).encode()


def _content(message: Message) -> dict[str, Any]:
    match message:
        case Hello():
            return {"type": "hello", **asdict(message)}
        case Sources():
            return {"type": "sources", **asdict(message)}
        case EventMessage(number, event):
            return {"type": "event", "number": number, **asdict(event)}
        case Observed(frame, histograms):
            values = [
                value if seen else None
                for value, seen in zip(frame.values.tolist(), frame.valid.tolist(), strict=True)
            ]
            # Not asdict, which copies every one of the counts by itself.
            counted = [
                {"name": each.name, "unit": each.unit, "labels": each.labels, "counts": each.counts}
                for each in histograms
            ]
            return {"type": "frame", "ts_ns": frame.ts_ns, "values": values, "histograms": counted}


def decode(packet: bytes) -> Message | None:
    """The message in ``packet``; None for a kind that a newer collector may have. ValueError for garbage."""
    try:
        content = json.loads(packet)
        kind = content.pop("type")
        match kind:
            case "hello":
                return Hello(**content)
            case "sources":
                states = tuple(SourceState(**state) for state in content["states"])
                return Sources(states, int(content["missed"]))
            case "event":
                return EventMessage(int(content.pop("number")), Event(**content))
            case "frame":
                return Observed(_frame(content), _histograms(content["histograms"]))
    except (AttributeError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise ValueError(f"a packet that is no message: {error}") from error
    return None


def _frame(content: Mapping[str, Any]) -> Frame:
    values = np.array([np.nan if value is None else float(value) for value in content["values"]], np.float32)
    return Frame(int(content["ts_ns"]), values, ~np.isnan(values))


def _histograms(content: Sequence[Mapping[str, Any]]) -> tuple[Histogram, ...]:
    return tuple(Histogram(**{**each, "counts": tuple(each["counts"])}) for each in content)
