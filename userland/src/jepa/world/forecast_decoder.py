# SPDX-License-Identifier: Apache-2.0
"""From a context to the forecast of its newest frame: decoded, adapted to this machine, in units."""

import numpy as np

from jepa.packs.pack import Pack
from jepa.world.adapt import Adapter
from jepa.world.context import Context, EncodedFrame
from jepa.world.event_probabilities import EventProbabilities
from jepa.world.forecast import FloatArray, Forecast
from jepa.world.scale import Scale
from jepa.world.sessions import open_session


class ForecastDecoder:
    """The decode graph of ``pack``, and what it learns of this machine if ``adapt``."""

    def __init__(self, pack: Pack, events: EventProbabilities, *, adapt: bool) -> None:
        self._names, self._shape = pack.schema.names, pack.manifest.shape
        self._decode = open_session(pack.graphs["decode"], f"{pack.title}/decode")
        self._scale = Scale(pack.schema)
        channels, shape = len(self._names), self._shape
        self._adapter = Adapter(channels, shape.horizons_s, shape.quantiles) if adapt else None
        self._events = events

    def clear(self) -> None:
        """Forget this machine."""
        if self._adapter is not None:
            self._adapter.clear()

    def decode(self, context: Context, state: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The pack's own quantiles (C, H, 2, Q), on the unit scale, and event probabilities (E, H)."""
        control = context.controls.vector[None]
        quantiles, probability = self._decode.run(
            None, {"context": state, "control": control, **context.inputs}
        )
        # A pack's quantiles may cross where a window's P90 lies below its mean, as after one high spike.
        return np.sort(quantiles, axis=-1), probability

    def forecast(self, ts_ns: int, step: EncodedFrame, holds: FloatArray, context: Context) -> Forecast:
        """The forecast from ``context`` at a frame that it has taken as ``step``. One call a frame.

        ``ts_ns`` is the frame's time; ``holds`` (E,) says which events hold at it, and is learned from.
        """
        quantiles, probability = self.decode(context, step.state)
        if self._adapter is not None:
            quantiles = self._adapter.adapt(quantiles, *context.past_windows)
        probability = self._events.of_frame(probability, holds, step.unseen)
        quantiles[step.unseen] = np.nan
        units = np.moveaxis(self._scale.from_unit(np.moveaxis(quantiles, 0, -1)), -1, 0)
        mean, p90 = units[:, :, 0], units[:, :, 1].copy()
        p90[:, 0] = mean[:, 0]
        return Forecast(
            ts_ns,
            self._names,
            self._shape.horizons_s,
            self._shape.quantiles,
            mean.copy(),
            p90,
            self._shape.events,
            probability,
        )
