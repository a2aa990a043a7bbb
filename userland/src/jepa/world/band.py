# SPDX-License-Identifier: Apache-2.0
"""The band that a forecast must hit to be right, in a judged recording as on a running machine."""

import numpy as np

from jepa.telemetry.frame import BoolArray
from jepa.telemetry.schema import Schema
from jepa.world.forecast import FloatArray
from jepa.world.scale import Scale

BAND = 0.05
"""Half the width of the band a forecast must hit, as a share of the channel's range on its own scale."""
NOISE_FLOORS = 2.0
"""The band is never narrower than this many noise floors, in the channel's unit."""


class HitBand:
    """Whether forecasts of the channels of ``schema`` are right."""

    def __init__(self, schema: Schema) -> None:
        floor = np.array([channel.noise_floor for channel in schema.channels])
        self._floor = NOISE_FLOORS * floor[:, None, None]
        self._scale = Scale(schema)

    def holds(self, forecast: FloatArray, truth: FloatArray) -> BoolArray:
        """Whether each forecast (..., C, H, 2) hits: 5 % of the range or two noise floors from the truth.

        The range is taken on the scale of the channel's transform, where differences are comparable.
        """
        near = np.abs(forecast - truth) <= self._floor
        return np.asarray(near | (self.distance(forecast, truth) <= BAND))

    def distance(self, forecast: FloatArray, truth: FloatArray) -> FloatArray:
        """How far apart they are, (..., C, H, 2) both, on the channels' own scale."""

        def to_unit(values: FloatArray) -> FloatArray:
            return np.moveaxis(self._scale.to_unit(np.moveaxis(values, -3, -1)), -1, -3)

        error: FloatArray = np.abs(to_unit(forecast) - to_unit(truth))
        return error
