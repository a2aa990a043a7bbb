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


def within_band(forecast: FloatArray, truth: FloatArray, schema: Schema, literal: bool = False) -> BoolArray:
    """Whether each forecast (..., C, H, 2) hits: within 5 % of the range or two noise floors of the truth.

    The range is taken on the scale of the channel's transform, where differences are comparable; when
    ``literal``, in the channel's unit, which for a rate with a high bound of millions is never left.
    """
    floor = np.array([channel.noise_floor for channel in schema.channels])[:, None, None] * NOISE_FLOORS
    error = np.abs(forecast - truth)
    if literal:
        span = np.array([channel.high - channel.low for channel in schema.channels])[:, None, None]
        return np.asarray(error <= np.maximum(BAND * span, floor))
    return np.asarray((error <= floor) | (unit_error(forecast, truth, schema) <= BAND))


def unit_error(forecast: FloatArray, truth: FloatArray, schema: Schema) -> FloatArray:
    """How far apart they are, (..., C, H, 2) both, on the channels' own scale."""
    scale = Scale(schema)

    def to_unit(values: FloatArray) -> FloatArray:
        return np.moveaxis(scale.to_unit(np.moveaxis(values, -3, -1)), -1, -3)

    error: FloatArray = np.abs(to_unit(forecast) - to_unit(truth))
    return error
