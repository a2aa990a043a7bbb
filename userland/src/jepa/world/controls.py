# SPDX-License-Identifier: Apache-2.0
"""What actions have set, as the numbers the model is given: 0 where nothing is set, within -1..1."""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from jepa.telemetry.recording import Action
from jepa.world.forecast import FloatArray

Control = tuple[str, str | None]
"""An action's name and the role it is set on, None for the whole machine."""

CONTROLS: Final[tuple[Control, ...]] = (
    *((name, role) for name in ("cpu.weight", "cpu.max", "memory.high", "io.weight", "pause")
      for role in ("foreground", "background")),
    ("swappiness", None),
)  # fmt: skip
"""Everything that may be set, in the order of the numbers."""
CONTROL_NAMES: Final = tuple(action if role is None else f"{action}.{role}" for action, role in CONTROLS)
"""The same as a pack's manifest has them."""

_USUAL_WEIGHT, _WEIGHT_SPAN = 100.0, math.log(100.0)
_NO_QUOTA, _LEAST_QUOTA = 200.0, 5.0  # % of a core: two are all, of the machines seen so far
_NO_LIMIT, _LEAST_LIMIT = 2048.0, 32.0  # MiB
_USUAL_SWAPPINESS, _SWAPPINESS_SPAN = 60.0, 140.0


def strength(action: str, value: float | None) -> float:
    """How far ``action`` is from doing nothing: 0 when ``value`` is the usual one or None, -1..1.

    Units of ``value``: cpu.max in % of a core, memory.high in MiB, pause 0 or 1, the others the kernel's.
    KeyError for an action that is none of CONTROLS.
    """
    if value is None:
        return 0.0
    match action:
        case "cpu.weight" | "io.weight":
            return _within(math.log(max(value, 1.0) / _USUAL_WEIGHT) / _WEIGHT_SPAN)
        case "cpu.max":
            return max(
                0.0, _within(math.log(_NO_QUOTA / max(value, 1.0)) / math.log(_NO_QUOTA / _LEAST_QUOTA))
            )
        case "memory.high":
            return max(
                0.0, _within(math.log(_NO_LIMIT / max(value, 1.0)) / math.log(_NO_LIMIT / _LEAST_LIMIT))
            )
        case "pause":
            return float(value > 0)
        case "swappiness":
            return _within((value - _USUAL_SWAPPINESS) / _SWAPPINESS_SPAN)
    raise KeyError(action)


RECENT_S: Final = (5, 30)
"""Frames that what is set now is compared with: what was set over so many of the last ones."""


def _within(value: float) -> float:
    return min(1.0, max(-1.0, value))


class Controls:
    """The settings in force."""

    def __init__(self) -> None:
        self.vector: FloatArray = np.zeros(len(CONTROLS), np.float32)
        """(A,), in the order of CONTROLS."""

    def act(self, action: str, args: Mapping[str, Any]) -> bool:
        """Count ``action`` as in force; False for one that the model knows nothing of."""
        control = (action, args.get("role"))
        value = args.get("value")
        if control not in CONTROLS or not (value is None or isinstance(value, int | float)):
            return False
        self.vector[CONTROLS.index(control)] = strength(action, value)
        return True

    def clear(self) -> None:
        """Nothing is set."""
        self.vector[:] = 0


class Takes(Protocol):
    """Whatever wants to know of actions, as Controls and WorldModel do."""

    def act(self, action: str, args: Mapping[str, Any]) -> bool:
        """Count ``action`` as in force; False for one that the model knows nothing of."""


class Recent:
    """What was set of late: the means over the last RECENT_S frames."""

    def __init__(self) -> None:
        self._vectors = np.zeros((max(RECENT_S), len(CONTROLS)), np.float32)
        self._at = 0

    def push(self, vector: FloatArray) -> None:
        """Take what is set (A,) when a frame comes."""
        self._vectors[self._at] = vector
        self._at = (self._at + 1) % len(self._vectors)

    def fill(self, vector: FloatArray) -> None:
        """Believe that this was set (A,) all along."""
        self._vectors[:] = vector

    @property
    def means(self) -> FloatArray:
        """(R, A), in the order of RECENT_S."""
        ages = (self._at - 1 - np.arange(len(self._vectors))) % len(self._vectors)
        return np.stack([self._vectors[ages[:span]].mean(axis=0) for span in RECENT_S])


def recent_means(settings: FloatArray) -> FloatArray:
    """(T, R, A): for each frame what Recent tells then, of settings (T, A)."""
    recent = Recent()
    result = np.zeros((len(settings), len(RECENT_S), len(CONTROLS)), np.float32)
    for row, vector in enumerate(settings):
        recent.push(vector)
        result[row] = recent.means
    return result


class Acting:
    """Tells the actions of a recording when their time has come."""

    def __init__(self, actions: Sequence[Action]) -> None:
        self._coming = deque(sorted(actions, key=lambda action: action.ts_ns))

    def up_to(self, now_ns: int, taker: Takes) -> None:
        """Tell ``taker`` those that were not told yet and were taken by ``now_ns``."""
        while self._coming and self._coming[0].ts_ns <= now_ns:
            action = self._coming.popleft()
            taker.act(action.action, action.args)


def in_force(actions: Sequence[Action], ts_ns: npt.NDArray[np.int64]) -> FloatArray:
    """(T, A): what was set when each frame was taken."""
    controls, acting = Controls(), Acting(actions)
    result = np.zeros((len(ts_ns), len(CONTROLS)), np.float32)
    for row, now in enumerate(ts_ns):
        acting.up_to(int(now), controls)
        result[row] = controls.vector
    return result
