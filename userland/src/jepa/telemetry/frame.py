# SPDX-License-Identifier: Apache-2.0
"""A frame: every channel at one instant."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Frame:
    """All channels at one instant, in the channels' own units.

    A channel that was not observed has ``valid`` False and a value of NaN; absence is never zero.
    """

    ts_ns: int
    """Wall-clock time of the reading, nanoseconds since the epoch."""
    values: FloatArray  # (F,)
    valid: BoolArray  # (F,)

    def __post_init__(self) -> None:
        if self.values.shape != self.valid.shape or self.values.ndim != 1:
            raise ValueError(
                f"frame needs equal (F,) arrays, not {self.values.shape} and {self.valid.shape}"
            )
