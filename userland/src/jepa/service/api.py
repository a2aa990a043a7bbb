# SPDX-License-Identifier: Apache-2.0
"""The messages of the HTTP API: what jepad answers and what every client reads."""

from collections.abc import Iterator, Sequence
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

PartState = Literal["ok", "degraded", "failed", "off"]


class Message(BaseModel):
    """Frozen, and strict about unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Part(Message):
    """One part of the system, its state and, when not ok, why and what to do."""

    name: str
    state: PartState
    reason: str = ""
    remedy: str = ""


class SourceStatus(Message):
    """One telemetry source: whether it reads, and the channels it gives here."""

    name: str
    state: PartState
    channels: int = Field(ge=0, description="channels observed in the last frame")
    of: int = Field(ge=0, description="channels this source can give")
    reason: str = ""


class Budget(Message):
    """What the service itself uses."""

    cpu_percent: float = Field(description="of one core, since start")
    rss_mib: float
    history_mib: float
    history_limit_mib: float
    tick_ms_p50: float | None
    tick_ms_p99: float | None


class Status(Message):
    """The answer to GET /v1/status."""

    version: str
    host: str
    mode: Literal["daemon", "local"]
    state: PartState
    uptime_s: float
    pack: str | None
    frames: int = Field(description="frames taken since start")
    missed: int = Field(description="periods with no frame since start")
    context_frames: int
    context_limit: int
    last_frame_ns: int | None
    surprise: float | None = Field(description="probability, 0..1, of the last frame's surprise")
    parts: list[Part]
    sources: list[SourceStatus]
    budget: Budget


class ChannelInfo(Message):
    """One channel of the schema."""

    name: str
    unit: str
    low: float
    high: float
    noise_floor: float
    source: str
    description: str


class FrameOut(Message):
    """One frame; a channel that was not observed is null."""

    ts_ns: int
    values: dict[str, float | None]


class Band(Message):
    """Quantiles of one channel over one coming window (t, t+h]."""

    horizon_s: int
    mean: dict[str, float] = Field(description="quantile, such as '0.5', to the window's mean")
    p90: dict[str, float] = Field(description="quantile to the window's 90th percentile")


class ForecastOut(Message):
    """Forecasts by channel; a channel not observed on this machine has none."""

    ts_ns: int
    unit: dict[str, str]
    channels: dict[str, list[Band]]


class TickOut(Message):
    """One event of GET /v1/stream: a frame, and what was forecast from it."""

    frame: FrameOut
    forecast: ForecastOut | None
    surprise: float | None
    surprise_channels: list[tuple[str, float]]
    tick_ms: float | None


class Problem(Message):
    """RFC 9457 problem+json."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str = ""
    remedy: str = ""


class Client(Protocol):
    """What the CLI and the shell need of the service, local or over its socket.

    Every method raises JepaError with a remedy when it cannot answer.
    """

    def status(self) -> Status:
        """State of each part, and the budget used."""

    def channels(self) -> list[ChannelInfo]:
        """The channel schema."""

    def frames(self, *, since_ns: int = 0, limit: int = 300) -> list[FrameOut]:
        """The newest ``limit`` frames after ``since_ns``, oldest first."""

    def forecast(self, channels: Sequence[str] = (), horizon_s: int | None = None) -> ForecastOut:
        """The latest forecast, for all channels and horizons unless named."""

    def stream(self) -> Iterator[TickOut]:
        """Ticks as they happen, without end."""

    def close(self) -> None:
        """Release what the client holds."""
