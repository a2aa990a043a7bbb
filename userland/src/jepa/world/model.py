# SPDX-License-Identifier: Apache-2.0
"""The world model at run time: one frame in, forecasts and surprise out, each frame encoded once."""

import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from jepa.errors import JepaError
from jepa.packs.pack import Pack
from jepa.telemetry.frame import BoolArray, Frame
from jepa.telemetry.recording import describe_host
from jepa.telemetry.schema import Schema
from jepa.world.adapt import Adapter
from jepa.world.controls import CONTROL_NAMES, Controls, Host, Recent, host_of
from jepa.world.event_calibration import EventCalibrator, EventDetector
from jepa.world.event_definitions import EVENT_DEFINITIONS
from jepa.world.forecast import FloatArray, Forecast, Imagined, Surprise, Tick
from jepa.world.recall_buffer import RecallBuffer
from jepa.world.scale import Scale
from jepa.world.sessions import open_session
from jepa.world.surprise import Sizes, SurpriseScale, furthest
from jepa.world.windows import Trailing, stats_on_scale

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

_GAP_S = 2.5
_LONG_GAP_S = 60.0


class WorldModel:
    """One machine's context. Not for use by two threads at once."""

    def __init__(self, pack: Pack, schema: Schema, host: Host, *, adapt: bool = True) -> None:
        shape = pack.manifest.shape
        self.pack = pack
        self.schema = pack.schema
        """The channels it forecasts, which are those of the pack."""
        self._width = len(schema.channels)
        self._columns = np.array([schema.index(name) for name in pack.schema.names], np.intp)
        self.gaps = 0
        """Times that frames were further apart than 2.5 s; after 60 s the context starts anew."""
        self._shape = shape
        self._scale = Scale(self.schema)
        usual = pack.manifest.calibration
        self._sizes = Sizes(usual.usual_distance, usual.usual_novelty)
        self._surprise = SurpriseScale(usual.surprise)
        self._encode, self._advance, self._decode = (
            open_session(pack.graphs[name], f"{pack.title}/{name}")
            for name in ("encode", "advance", "decode")
        )
        self._imagine: InferenceSession | None = None  # opened when first asked: most machines never do
        self._controls, self._recent = Controls(host), Recent()
        self._event_columns = _channels_of(shape.events, self.schema)
        unreported = (
            set()
            if host.service_manager
            else {definition.name for definition in EVENT_DEFINITIONS if definition.event}
        )
        definitions = [
            next(each for each in EVENT_DEFINITIONS if each.name == name) for name in shape.events
        ]
        self._detector = EventDetector(definitions)
        self._unknown_events = np.array(
            [name in {*shape.untrained_events, *unreported} for name in shape.events], np.bool_
        )
        channels = len(self.schema.channels)
        self._windows = (*shape.horizons_s, *shape.longer_s)
        self._recall_buffer = RecallBuffer(
            shape.window, shape.coarse, shape.key_width, shape.horizons_s, channels
        )
        self._stats = np.zeros((channels, len(self._windows), 2), np.float32)
        self._seen = np.zeros((channels, len(self._windows)), np.float32)
        self._adapter = Adapter(channels, shape.horizons_s, shape.quantiles) if adapt else None
        self._event_calibrator = EventCalibrator(len(definitions), shape.horizons_s) if adapt else None
        # Events that reports tell, not a channel, cannot be observed in a frame.
        self._without_channel = np.array(
            [definition.event is not None for definition in definitions], np.bool_
        )
        self._empty_caches, self._empty_coarse = (
            np.zeros((shape.layers, 2, shape.heads, frames, shape.width // shape.heads), np.float32)
            for frames in (shape.window, shape.coarse)
        )
        self._trailing = Trailing(channels, self._windows)
        self._caches = self._before = self._empty_caches
        self._coarse = self._empty_coarse
        self._latent: FloatArray | None = None
        self._taken = 0
        self._ts_ns: int | None = None
        self._expected: FloatArray | None = None
        self._last: Forecast | None = None

    @classmethod
    def load(
        cls, pack: Pack, schema: Schema, host: Host | None = None, *, adapt: bool = True
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
        unknown = set(shape.events) - {definition.name for definition in EVENT_DEFINITIONS}
        if shape.controls != CONTROL_NAMES or unknown:
            raise JepaError(
                f"The pack {pack.title} was made for other actions or events.",
                "Install the pack that belongs to this version of jepa.",
            )
        return cls(pack, schema, host or host_of(describe_host(schema)), adapt=adapt)

    @property
    def context_frames(self) -> int:
        """Frames the context holds, but for those of the coarse context."""
        return min(self._taken, self._shape.window)

    @property
    def context_limit(self) -> int:
        """Frames the context can hold."""
        return self._shape.window

    @property
    def unfamiliar(self) -> bool:
        """Whether this machine is unlike those the pack was trained on."""
        return self._surprise.unfamiliar

    def tick(self, frame: Frame) -> Tick:
        """Take one frame; forecast what comes, and say how surprising this frame was."""
        start = time.perf_counter()
        frame = self._own(frame)
        expected, last = self._expected, self._last
        self._start_anew_after_a_long_gap(frame)
        latent, novelty, context, unseen = self._take(frame)
        # A pack's quantiles may cross where a window's P90 lies below its mean, as after one high spike.
        said, event_probability = self._decode.run(None, self._decode_inputs(context))
        quantiles = np.sort(said, axis=-1)
        if self._adapter is not None:
            quantiles = self._adapter.adapt(quantiles, *self._as_horizons())
        holds = self._holding(frame)
        if self._event_calibrator is not None:
            event_probability = self._event_calibrator.adapt(event_probability, holds)
        forecast = self._forecast(frame.ts_ns, quantiles, event_probability, unseen)
        surprise = None
        if expected is not None and self._taken > 1:
            distance = float(np.square(latent - expected).mean())
            size = self._sizes.push(distance, novelty)
            outside = () if last is None else furthest(frame, last)
            surprise = Surprise(distance, novelty, size, self._surprise.probability(size), outside)
            self._surprise.remember(size)
        self._last = forecast
        elapsed_ms = (time.perf_counter() - start) * 1e3
        return Tick(forecast, surprise, self.context_frames, elapsed_ms, holds)

    def act(self, action: str, args: Mapping[str, Any]) -> bool:
        """Know that ``action`` is in force from now on; False for one that the pack knows nothing of."""
        return self._controls.act(action, args)

    def imagine(self, courses: FloatArray) -> Imagined:
        """What would follow from the newest frame on under ``courses`` (K, S, A) of settings, a second each.

        K is at most the pack's ``candidates``, S its ``imagined``. JepaError before the first frame.
        """
        if self._latent is None:
            raise JepaError("There is no frame yet to imagine from.", "Ask again in a second.", status=503)
        wanted = (self._shape.candidates, self._shape.imagined, len(self._shape.controls))
        if courses.shape[1:] != wanted[1:] or not 0 < len(courses) <= wanted[0]:
            raise ValueError(f"courses of shape {courses.shape}, wanted {wanted} or fewer of them")
        if self._imagine is None:
            self._imagine = open_session(self.pack.graphs["imagine"], f"{self.pack.title}/imagine")
        padded = np.zeros(wanted, np.float32)
        padded[: len(courses)] = courses
        inputs = {"latent": self._latent, "controls": padded, "caches": self._before, "coarse": self._coarse}
        inputs |= self._remembered()
        latents, medians, event_probability = (
            out[: len(courses)] for out in self._imagine.run(None, inputs)
        )
        if self._event_calibrator is not None:
            event_probability = self._event_calibrator.calibrated(event_probability)
        event_probability[:, self._unknown_events] = np.nan
        units = self._scale.from_unit(np.moveaxis(medians, 1, -1))  # (K, H, 2, C)
        mean, p90 = np.moveaxis(units, -1, 1)[..., 0], np.moveaxis(units, -1, 1)[..., 1]
        return Imagined(latents, mean, p90, event_probability)

    def replay(self, frames: Iterable[Frame]) -> None:
        """Fill the context from earlier frames, oldest first, without forecasting or adapting."""
        for frame in frames:
            self._start_anew_after_a_long_gap(frame)
            self._take(self._own(frame))
            self._last = None

    def _own(self, frame: Frame) -> Frame:
        """The pack's channels of ``frame``."""
        if len(frame.values) != self._width:
            raise JepaError(
                f"A frame of {len(frame.values)} channels does not fit {self.pack.title}.",
                "Install the pack that belongs to this version of jepa.",
            )
        return Frame(frame.ts_ns, frame.values[self._columns], frame.valid[self._columns])

    def _take(self, frame: Frame) -> tuple[FloatArray, float, FloatArray, BoolArray]:
        """Encode and advance.

        Answers latent, novelty, context state and, (C,), which channels were never seen.
        """
        self._thin()
        self._taken += 1
        self._ts_ns = frame.ts_ns
        self._recent.push(self._controls.vector)
        values = np.where(frame.valid, frame.values, np.float32(np.nan))
        unit = self._scale.to_unit(values)[None]
        valid = np.isfinite(unit)
        inputs = {"frame": np.where(valid, unit, np.float32(0)), "valid": valid.astype(np.float32)}
        latent, novelty = self._encode.run(None, inputs)
        self._latent, self._before = latent, self._caches
        context, self._expected, key, self._caches = self._advance.run(
            None,
            {
                "latent": latent,
                "control": self._controls.vector[None],
                "caches": self._caches,
                "coarse": self._coarse,
                "count": self._counts(),
            },
        )
        windows = self._trailing.push(values)
        self._stats, self._seen = stats_on_scale(windows, self._scale)
        self._recall_buffer.push(key[0], *self._as_horizons())
        return latent, float(novelty[0]), context, windows.share[:, -1] == 0

    def _holding(self, frame: Frame) -> FloatArray:
        """(E,) whether each event holds at ``frame``; NaN where its channel cannot say."""
        values = np.where(frame.valid[self._event_columns], frame.values[self._event_columns], np.nan)
        holds = self._detector.push(values)
        holds[self._without_channel] = np.nan
        return holds

    def _thin(self) -> None:
        """Keep the frame that is about to leave the window if its turn has come."""
        leaves = self._taken - self._shape.window
        if leaves >= 0 and leaves % self._shape.coarse_s == self._shape.coarse_s - 1:
            self._coarse = np.concatenate([self._coarse[..., 1:, :], self._caches[..., :1, :]], axis=3)
            self._recall_buffer.thin()

    def _counts(self) -> FloatArray:
        """(2,) frames in the window, and in the coarse context."""
        coarse = max(0, self._taken - self._shape.window) // self._shape.coarse_s
        return np.array([self.context_frames, min(coarse, self._shape.coarse)], np.float32)

    def _as_horizons(self) -> tuple[FloatArray, FloatArray]:
        """Of the past windows, (C, H, 2) and (C, H), those as long as the horizons."""
        horizons = len(self._shape.horizons_s)
        return self._stats[:, :horizons], self._seen[:, :horizons]

    def _decode_inputs(self, context: FloatArray) -> dict[str, FloatArray]:
        return {"context": context, "control": self._controls.vector[None], **self._remembered()}

    def _remembered(self) -> dict[str, FloatArray]:
        return {
            "recent": self._recent.means[None],
            "stats": self._stats[None],
            "keys": self._recall_buffer.keys,
            "outcomes": self._recall_buffer.outcomes,
            "followed": self._recall_buffer.followed,
            "count": self._counts(),
        }

    def _forecast(
        self, ts_ns: int, quantiles: FloatArray, event_probability: FloatArray, unseen: BoolArray
    ) -> Forecast:
        quantiles[unseen] = np.nan
        event_probability[unseen[self._event_columns] | self._unknown_events] = np.nan
        units = np.moveaxis(self._scale.from_unit(np.moveaxis(quantiles, 0, -1)), -1, 0)
        mean, p90 = units[:, :, 0], units[:, :, 1].copy()
        p90[:, 0] = mean[:, 0]
        return Forecast(
            ts_ns,
            self.schema.names,
            self._shape.horizons_s,
            self._shape.quantiles,
            mean.copy(),
            p90,
            self._shape.events,
            event_probability,
        )

    def _start_anew_after_a_long_gap(self, frame: Frame) -> None:
        if self._ts_ns is None:
            return
        gap_s = abs(frame.ts_ns - self._ts_ns) / 1e9
        if gap_s <= _GAP_S:
            return
        if gap_s > _LONG_GAP_S:
            self._forget()
        self.gaps += 1

    def _forget(self) -> None:
        self._taken = 0
        self._ts_ns = self._expected = self._last = self._latent = None
        self._caches = self._before = self._empty_caches
        self._coarse = self._empty_coarse
        self._trailing = Trailing(len(self.schema.channels), self._windows)
        self._recall_buffer.clear()
        self._recent.fill(self._controls.vector)
        self._sizes.clear()
        self._surprise.clear()
        self._detector.clear()
        for adapter in (self._adapter, self._event_calibrator):
            if adapter is not None:
                adapter.clear()


def _channels_of(events: Iterable[str], schema: Schema) -> npt.NDArray[np.intp]:
    """The column of the channel that tells each event."""
    channel = {definition.name: definition.channel for definition in EVENT_DEFINITIONS}
    return np.array([schema.index(channel[name]) for name in events], np.intp)
