# SPDX-License-Identifier: Apache-2.0
"""Between the channels' own units and the scale on which the model sees them: 0 at low, 1 at high."""

import numpy as np
import numpy.typing as npt

from jepa.telemetry.schema import Schema
from jepa.world.forecast import FloatArray


class Scale:
    """Each channel through its transform, then its physical range to 0..1."""

    def __init__(self, schema: Schema) -> None:
        transforms = np.array([channel.transform for channel in schema.channels])
        self._log = transforms == "log1p"
        self._sqrt = transforms == "sqrt"
        low = np.array([channel.low for channel in schema.channels], np.float64)
        high = np.array([channel.high for channel in schema.channels], np.float64)
        self._low = self._forward(low)
        self._span = self._forward(high) - self._low
        floor = np.array([channel.noise_floor for channel in schema.channels], np.float64)
        self.noise_floor: FloatArray = ((self._forward(low + floor) - self._low) / self._span).astype(
            np.float32
        )
        """(C,) the noise floor on this scale, at the low end of the range."""

    def to_unit(self, values: FloatArray) -> FloatArray:
        """Values (..., C) in units to 0..1; NaN stays NaN."""
        return ((self._forward(values) - self._low) / self._span).astype(np.float32)

    def from_unit(self, scaled: FloatArray) -> FloatArray:
        """(..., C) on the 0..1 scale back to units; NaN stays NaN."""
        values = np.asarray(scaled, np.float64) * self._span + self._low
        np.expm1(values, out=values, where=self._log)
        np.square(values, out=values, where=self._sqrt)
        return values.astype(np.float32)

    def _forward(self, values: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        result = np.array(values, np.float64)
        np.log1p(result, out=result, where=self._log)
        np.sqrt(result, out=result, where=self._sqrt)
        return result
