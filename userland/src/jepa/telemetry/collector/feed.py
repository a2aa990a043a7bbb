# SPDX-License-Identifier: Apache-2.0
"""A source of frames that listens to jepa-telemetry, and reads the files itself while that is away."""

import select
import socket
import time
from collections.abc import Callable
from pathlib import Path

from jepa.telemetry.collector.messages import LARGEST, EventMessage, Hello, Observed, Sources, decode
from jepa.telemetry.events.event import Event
from jepa.telemetry.frame import Frame
from jepa.telemetry.frame_source import FrameSource
from jepa.telemetry.histogram import Histogram
from jepa.telemetry.schema import Schema
from jepa.telemetry.source_state import SourceState

_PATIENCE_PERIODS = 3.0
"""Periods without a packet after which the collector counts as away."""


class _Away(Exception):
    """The collector cannot be heard; says why in one clause."""


class CollectorFeed:
    """Frames of the collector at ``path``; those of ``own()`` while there is none.

    A collector that is away is tried again every ``retry_s``.
    Not for use by two threads, but for ``sources``.
    """

    def __init__(
        self,
        path: Path,
        schema: Schema,
        own: Callable[[], FrameSource],
        retry_s: float = 5.0,
    ) -> None:
        self._path = path
        self._schema = schema
        self._make_own = own
        self._own: FrameSource | None = None
        self._on_event: Callable[[Event], object] = lambda event: None
        self._retry_s = retry_s
        self._socket: socket.socket | None = None
        self._heard = False
        self._period_s = 1.0
        self._retry_at = float("-inf")
        self._reason = "not asked yet"
        self._states: tuple[SourceState, ...] = ()
        self._histograms: tuple[Histogram, ...] = ()
        self._instance = ""
        self._newest_event = -1

    @property
    def schema(self) -> Schema:
        """The channels of every frame."""
        return self._schema

    def listen(self, on_event: Callable[[Event], object]) -> None:
        """Give ``on_event`` each event once, also those from before that the collector still knows."""
        self._on_event = on_event

    @property
    def connected(self) -> bool:
        """Whether the last frame was the collector's."""
        return self._heard

    def read(self) -> Frame:
        """The collector's next frame, after at most a few periods of waiting; else one read here."""
        try:
            self._connect_when_due()
            frame = self._newest_frame()
            self._heard = True
            self._close_own()
            return frame
        except _Away as away:
            self._disconnect(str(away))
        if self._own is None:
            self._own = self._make_own()
        frame = self._own.read()
        self._histograms = tuple(self._own.histograms())
        return frame

    def sources(self) -> list[SourceState]:
        """How each source did at the last reading, the collector's own state first."""
        if self.connected:
            return [SourceState("collector", True, 0, 0, ""), *self._states]
        reader = self._own  # the thread that reads may close it meanwhile
        own = reader.sources() if reader else []
        reason = f"{self._reason}; this process reads the files itself"
        return [SourceState("collector", False, 0, 0, reason), *own]

    def histograms(self) -> list[Histogram]:
        """What happened between the last two frames."""
        return list(self._histograms)

    def close(self) -> None:
        """Leave the collector, and close what was opened here."""
        self._disconnect("closed")
        self._close_own()

    def _close_own(self) -> None:
        """Stop reading here; counters read before would give rates over all the time in between."""
        if self._own is not None:
            self._own.close()
            self._own = None

    def _connect_when_due(self) -> None:
        if self._socket is not None:
            return
        now = time.monotonic()
        if now < self._retry_at:
            raise _Away(self._reason)
        self._retry_at = now + self._retry_s
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
        try:
            self._socket.connect(str(self._path))
        except FileNotFoundError:
            raise _Away("jepa-telemetry does not run") from None
        except OSError as error:
            raise _Away(f"jepa-telemetry at {self._path}: {error.strerror}") from None
        self._greet(self._message())

    def _greet(self, message: object) -> None:
        if not isinstance(message, Hello):
            raise _Away(f"{self._path} does not speak as jepa-telemetry does")
        if message.schema_digest != self._schema.digest:
            raise _Away("jepa-telemetry has other channels; restart it")
        self._period_s = message.period_s
        if message.instance != self._instance:
            self._instance, self._newest_event = message.instance, -1

    def _newest_frame(self) -> Frame:
        """Wait for a frame; of several that came meanwhile the newest."""
        frame: Frame | None = None
        while frame is None or self._waiting():
            message = self._message()
            match message:
                case Observed():
                    frame, self._histograms = message.frame, message.histograms
                    if len(frame.values) != len(self._schema.channels):
                        raise _Away("a frame of other channels")
                case Sources():
                    self._states = message.states
                case EventMessage() if message.number > self._newest_event:
                    self._newest_event = message.number
                    self._on_event(message.event)
        return frame

    def _waiting(self) -> bool:
        assert self._socket is not None
        return bool(select.select([self._socket], [], [], 0)[0])

    def _message(self) -> object:
        assert self._socket is not None
        self._socket.settimeout(_PATIENCE_PERIODS * self._period_s)
        try:
            packet = self._socket.recv(LARGEST)
            if not packet:
                raise _Away("jepa-telemetry went away")
            return decode(packet)
        except TimeoutError:
            raise _Away("jepa-telemetry is silent") from None
        except OSError as error:
            raise _Away(f"jepa-telemetry: {error.strerror}") from None
        except ValueError as error:
            raise _Away(f"jepa-telemetry sent {error}") from None

    def _disconnect(self, reason: str) -> None:
        self._reason = reason
        self._heard = False
        if self._socket is not None:
            self._socket.close()
            self._socket = None
