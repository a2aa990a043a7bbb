# SPDX-License-Identifier: Apache-2.0
"""The world model at run time: one frame in, forecasts and surprise out, each frame encoded once."""

import time
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from jepa.errors import JepaError
from jepa.packs.pack import Pack
from jepa.telemetry.frame import Frame
from jepa.telemetry.recording import describe_host
from jepa.telemetry.schema import Schema
from jepa.world.context import Context
from jepa.world.controls import CONTROL_NAMES, HostSize, host_of
from jepa.world.event_definitions import EVENT_DEFINITIONS
from jepa.world.event_probabilities import EventProbabilities
from jepa.world.forecast import FloatArray, Forecast, Imagined, Tick
from jepa.world.forecast_decoder import ForecastDecoder
from jepa.world.imagination import Imagination
from jepa.world.surprise import SurpriseMeter

_GAP_S = 2.5
_LONG_GAP_S = 60.0


class WorldModel:
    """One machine's context, and what is said of it. Not for use by two threads at once."""

    def __init__(self, pack: Pack, schema: Schema, host: HostSize, *, adapt: bool = True) -> None:
        self.pack = pack
        self.schema = pack.schema
        """The channels it forecasts, which are those of the pack."""
        self.gaps = 0
        """Times that frames were further apart than 2.5 s; after 60 s the context starts anew."""
        self._width = len(schema.channels)
        self._columns = np.array([schema.index(name) for name in pack.schema.names], np.intp)
        self._context = Context(pack, host)
        self._events = EventProbabilities(pack, host, adapt=adapt)
        self._decoder = ForecastDecoder(pack, self._events, adapt=adapt)
        self._imagination = Imagination(pack, self._events)
        self._surprise = SurpriseMeter(pack.manifest.calibration)
        self._ts_ns: int | None = None
        self._last: Forecast | None = None

    @classmethod
    def load(
        cls, pack: Pack, schema: Schema, host: HostSize | None = None, *, adapt: bool = True
    ) -> "WorldModel":
        """The model of ``pack`` for frames of ``schema``, with an empty context.

        They are frames of ``host``, or of this machine. Unless ``adapt``, forecasts are the pack's own, not
        fitted to it.

        Frames may have channels that the pack does not know: it neither sees nor forecasts them. JepaError
        when the pack does not fit ``schema`` or cannot run.
        """
        known = set(pack.schema.names) <= set(schema.names)
        if not known or schema.select(pack.schema.names).digest != pack.schema.digest:
            raise JepaError(
                f"The pack {pack.title} was made for other channels.",
                "Install the pack that belongs to this version of jepa.",
            )
        shape = pack.manifest.shape
        unknown = set(shape.events) - {each.name for each in EVENT_DEFINITIONS}
        if shape.controls != CONTROL_NAMES or unknown:
            raise JepaError(
                f"The pack {pack.title} was made for other actions or events.",
                "Install the pack that belongs to this version of jepa.",
            )
        return cls(pack, schema, host or host_of(describe_host(schema)), adapt=adapt)

    @property
    def context_frames(self) -> int:
        """Frames the context holds, but for those of the coarse context."""
        return self._context.cache.frames

    @property
    def context_limit(self) -> int:
        """Frames the context can hold."""
        return self.pack.manifest.shape.window

    @property
    def unfamiliar(self) -> bool:
        """Whether this machine is unlike those the pack was trained on."""
        return self._surprise.unfamiliar

    def tick(self, frame: Frame) -> Tick:
        """Take one frame; forecast what comes, and say how surprising this frame was."""
        start = time.perf_counter()
        frame = self._own(frame)
        self._start_anew_after_a_long_gap(frame)
        step = self._context.take(frame)
        holds = self._events.holding(frame)
        forecast = self._decoder.forecast(frame.ts_ns, step, holds, self._context)
        surprise = self._surprise.measure(step, frame, self._last)
        self._last = forecast
        elapsed_ms = (time.perf_counter() - start) * 1e3
        return Tick(forecast, surprise, self.context_frames, elapsed_ms, holds, step.latent[0])

    def act(self, action: str, args: Mapping[str, Any]) -> bool:
        """Know that ``action`` is in force from now on; False for one that the pack knows nothing of."""
        return self._context.controls.act(action, args)

    def imagine(self, sequences: FloatArray) -> Imagined:
        """What would follow from the newest frame on under action ``sequences`` (K, S, A), a second a step.

        K is at most the pack's ``candidates``, S its ``imagined``. JepaError before the first frame.
        """
        return self._imagination.imagine(self._context, sequences)

    def replay(self, frames: Iterable[Frame]) -> None:
        """Fill the context from earlier frames, oldest first, without forecasting or adapting."""
        for each in frames:
            frame = self._own(each)
            self._start_anew_after_a_long_gap(frame)
            self._context.take(frame)
            self._last = None

    def _own(self, frame: Frame) -> Frame:
        """The pack's channels of ``frame``."""
        if len(frame.values) != self._width:
            raise JepaError(
                f"A frame of {len(frame.values)} channels does not fit {self.pack.title}.",
                "Install the pack that belongs to this version of jepa.",
            )
        return Frame(frame.ts_ns, frame.values[self._columns], frame.valid[self._columns])

    def _start_anew_after_a_long_gap(self, frame: Frame) -> None:
        gap_s = 0.0 if self._ts_ns is None else abs(frame.ts_ns - self._ts_ns) / 1e9
        self._ts_ns = frame.ts_ns
        if gap_s > _GAP_S:
            self.gaps += 1
        if gap_s > _LONG_GAP_S:
            self._last = None
            self._context.clear()
            self._events.clear()
            self._decoder.clear()
            self._surprise.clear()
