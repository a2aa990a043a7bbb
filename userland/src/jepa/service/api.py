# SPDX-License-Identifier: Apache-2.0
"""The messages of the HTTP API: what jepad answers and what every client reads.

Those that clients take as JSON has them are in `jepa.service.api_records`. All are plain dataclasses, which
msgspec reads and writes (`jepa.service.wire`). The server derives its OpenAPI document from them, docstrings
included, with pydantic: importing that costs ten times as much as starting Python, so no client does.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

PartState = Literal["ok", "degraded", "failed", "off"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of the system, its state and, when not ok, why and what to do."""

    name: str
    state: PartState
    reason: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceStatus:
    """One telemetry source: whether it reads, and the channels it gives here."""

    name: str
    state: PartState
    channels: int
    """Channels observed in the last frame."""
    of: int
    """Channels this source can give on some machine."""
    reason: str = ""
    """Why channels are missing, or empty."""
    note: str = ""
    """What a person should know of the channels that are there, such as sensors that were left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What the service itself uses."""

    cpu_percent: float
    """Of one core, since start."""
    rss_mib: float
    history_mib: float
    history_limit_mib: float
    tick_ms_p50: float | None
    tick_ms_p99: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The answer to GET /v1/status."""

    version: str
    host: str
    mode: Literal["daemon", "local"]
    state: PartState
    """The worst state of any part: degraded when a part is, failed when there are no frames."""
    uptime_s: float
    pack: str | None
    """Name and version of the model in use; null when none is."""
    frames: int
    """Frames taken since start."""
    missed: int
    """Periods with no frame since start."""
    context_frames: int
    context_limit: int
    last_frame_ns: int | None
    surprise: float | None
    """Probability, 0 to 1: the share of frames that surprised less than the last; null until known."""
    surprise_reason: str = ""
    """Why surprise is null, or empty."""
    parts: list[Part]
    sources: list[SourceStatus]
    budget: Budget


@dataclass(frozen=True, slots=True, kw_only=True)
class Doctor:
    """The answer to GET /v1/doctor: every check, with a remedy where one is not ok."""

    state: PartState
    checks: list[Part]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelInfo:
    """One channel of the schema."""

    name: str
    unit: str
    low: float
    high: float
    noise_floor: float
    source: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameOut:
    """One frame; a channel that was not observed is null."""

    ts_ns: int
    """Wall-clock time of the reading, nanoseconds since the epoch."""
    values: dict[str, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """Quantiles of one channel over one coming window (t, t+h]."""

    horizon_s: int
    mean: dict[str, float]
    """From quantile, such as '0.5', to the window's mean."""
    p90: dict[str, float]
    """From quantile to the window's 90th percentile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastOut:
    """Forecasts by channel; a channel not observed on this machine has none."""

    ts_ns: int
    """Time of the last frame the forecast has seen."""
    unit: dict[str, str]
    channels: dict[str, list[Band]]
    event_probability: dict[str, dict[str, float]] = field(default_factory=dict)
    """By event, such as 'cpu_saturation', and horizon in seconds, such as '30': its probability, 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventOut:
    """One thing that happened, reported by the kernel, the service manager, udev or a device."""

    sequence: int
    """Its number in the event log, from 1; only grows, so that a follower can ask for what came after."""
    ts_ns: int
    """Wall-clock time it happened, nanoseconds since the epoch."""
    kind: str
    severity: str
    source: str
    unit: str | None
    """What it happened to: a unit, a device, a process."""
    detail: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertKind:
    """One kind of alert: what it came to on this machine, and whether a person wants to hear of it."""

    kind: str
    muted: bool
    muted_until_ns: int | None
    """Wall-clock time the mute ends, nanoseconds since the epoch; null where it does not end by itself."""
    threshold: float | None
    """Probability, or size of surprise, from which one is raised; null for trends, or where none is."""
    right: int
    false_alarms: int
    last_false_ns: int | None = None
    """When the last one that was false was raised; none is raised for a day after it."""
    open_ns: int | None = None
    """When one was raised of which it is not known yet what it came to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackOut:
    """The answer to POST /v1/pack: what forecasts now, and what did before."""

    pack: str
    """Name and version."""
    before: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HistogramOut:
    """How often each size occurred between the last two frames; slot 0 holds 0, slot n holds 2^(n-1) up."""

    name: str
    unit: str
    labels: dict[str, str]
    counts: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class TickOut:
    """One event of GET /v1/stream: a frame, and what was forecast from it."""

    sequence: int
    """Number of the frame since the daemon's start, those taken up from the history included."""
    frame: FrameOut
    forecast: ForecastOut | None
    surprise: float | None
    """Probability, 0 to 1: the share of frames that surprised less than this; null until known."""
    surprise_reason: str = ""
    """Why surprise is null, or empty."""
    surprise_channels: list[tuple[str, float]]
    """Channels furthest outside their forecast, in band widths, worst first."""
    tick_ms: float | None
    histograms: list[HistogramOut] = field(default_factory=list)
    """What the kernel's programs counted since the frame before; empty without them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRequest:
    """What a task begins with."""

    task: str
    """An id that the grant names, of up to 32 letters and digits."""
    grant: str
    """The id of a grant in force of whoever asks."""
    spec: dict[str, Any]
    """A task spec."""
    plan: str = ""
    """The id of a plan for it that a person was shown: it is carried out first."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """What a person says."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GoalOut:
    """A state of the machine that was captured, to be reached again."""

    name: str
    uid: int
    """Who captured it."""
    captured: int
    """Wall-clock time, nanoseconds since the epoch."""
    over_s: int
    """Seconds that it is the mean of."""
    frames: int
    pack: str
    """The model whose latents it is kept as."""
    spread: float
    """Energy within which the machine is in that state."""
    channels: dict[str, list[float]]
    """Mean and standard deviation of each channel that was observed, in its own unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """RFC 9457 problem+json."""

    title: str
    status: int
    type: str = "about:blank"
    detail: str = ""
    remedy: str = ""


class Client(Protocol):
    """What the CLI and the shell need of the service, local or over its socket.

    Every method raises JepaError with a remedy when it cannot answer.
    """

    def status(self) -> Status:
        """State of each part, and the budget used."""

    def doctor(self) -> Doctor:
        """Every check, with a remedy where one is not ok."""

    def channels(self) -> list[ChannelInfo]:
        """The channel schema."""

    def frames(self, *, since_ns: int = 0, limit: int = 300) -> list[FrameOut]:
        """The newest ``limit`` frames after ``since_ns``, oldest first."""

    def forecast(self, channels: Sequence[str] = (), horizon_s: int | None = None) -> ForecastOut:
        """The latest forecast, for all channels and horizons unless named."""

    def events(self, *, since_ns: int = 0, limit: int = 100, after: int | None = None) -> list[EventOut]:
        """The newest ``limit`` events since ``since_ns``, or the first that follow number ``after``."""

    def stream(self, channels: Sequence[str] = (), after: int | None = None) -> Iterator[TickOut | EventOut]:
        """Ticks, of ``channels`` or all, and events as they happen; first the events after ``after``."""

    def history(self, limit: int = 50) -> list[dict[str, Any]]:
        """The newest ``limit`` changes of the machine, newest first, each as a ``ChangeOut`` in JSON."""

    def alerts(self) -> list[AlertKind]:
        """Every kind of alert, what it came to so far, and whether it is muted."""

    def mute_alerts(self, kind: str, seconds: int | None = None) -> list[AlertKind]:
        """Raise no alerts of ``kind``, for ``seconds`` or until unmuted; answers as ``alerts``."""

    def unmute_alerts(self, kind: str) -> list[AlertKind]:
        """Raise alerts of ``kind`` again; answers as ``alerts``."""

    def use_pack(self, name: str) -> PackOut:
        """Have another machine pack forecast, or the JepaError that says why it cannot."""

    def parse(self, text: str) -> dict[str, Any]:
        """The task spec of a sentence, as JSON has it; none, with a question, where it is not understood."""

    def plan(self, spec: str) -> dict[str, Any]:
        """A plan for the task ``spec``, both as JSON has them. Changes nothing."""

    def kept_plan(self, plan_id: str) -> dict[str, Any]:
        """A plan that was made and has not expired; JepaError (404) when there is none of that id."""

    def tasks(self) -> list[dict[str, Any]]:
        """Every task that is known, the oldest first."""

    def task(self, task_id: str) -> dict[str, Any]:
        """One task with its changes; JepaError (404)."""

    def start_task(self, wanted: TaskRequest) -> dict[str, Any]:
        """Have a task stand, with a grant of one's own."""

    def end_task(self, task_id: str) -> dict[str, Any]:
        """End a task; what it did is taken back soon after."""

    def goals(self) -> list[GoalOut]:
        """The states that were captured."""

    def capture_goal(self, name: str, over_s: int) -> GoalOut:
        """Capture the state of the last ``over_s`` seconds."""

    def remove_goal(self, name: str) -> GoalOut:
        """Forget a state."""

    def learning(self) -> dict[str, Any]:
        """What was learned of the effects of settings on this machine."""

    def forget_learned(self) -> dict[str, Any]:
        """Forget all of it, as root; answers as ``learning``."""

    def close(self) -> None:
        """Release what the client holds."""
