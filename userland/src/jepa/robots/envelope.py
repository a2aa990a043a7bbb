# SPDX-License-Identifier: Apache-2.0
"""What no action of a robot may leave, whoever wants it: limits, speed, rate, force and silence."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jepa.errors import JepaError
from jepa.robots.robot import Action

NOTHING_MOVED = "Nothing was moved."


@dataclass(frozen=True, slots=True)
class Limit:
    """What one number of an action may be."""

    low: float
    high: float
    a_second: float
    """How far it may move in a second."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """What no action may leave, whoever wants it."""

    limits: Mapping[str, Limit]
    rate_hz: float
    """Actions a second, at most."""
    forces: Mapping[str, float]
    """Of these numbers of an observation, the most that is safe."""
    silence_s: float
    """After so long without an action it is commanded to stay where it is."""

    def bounded(self, action: Action, before: Mapping[str, Any], seconds: float) -> dict[str, float]:
        """``action`` within limits and speed, ``seconds`` after it was as in ``before``.

        JepaError for names that are missing or unknown, and for numbers that are none.
        """
        if set(action) != set(self.limits):
            other = sorted(set(action) ^ set(self.limits))
            raise JepaError(
                f"An action must have {', '.join(self.limits)}; look at {other[0]}.", NOTHING_MOVED
            )
        result = {}
        for name, limit in self.limits.items():
            wanted, now = float(action[name]), float(before[name])
            if not math.isfinite(wanted) or not math.isfinite(now):
                raise JepaError(f"{name} is no number.", NOTHING_MOVED)
            reach = limit.a_second * seconds
            result[name] = min(max(wanted, now - reach, limit.low), now + reach, limit.high)
        return result
