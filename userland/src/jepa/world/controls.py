# SPDX-License-Identifier: Apache-2.0
"""What actions have set, as the numbers the model is given: 0 where nothing is set, within -1..1."""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np

from jepa.telemetry.recording import Action, Meta, Recording
from jepa.telemetry.roles import PLAYED
from jepa.world.forecast import FloatArray

Control = tuple[str, str | None]
"""An action's name and the role it is set on, None for the whole machine."""

_OF_A_ROLE = ("cpu.weight", "cpu.max", "cpu.uclamp.max", "memory.high", "io.weight", "pause")

CONTROLS: Final[tuple[Control, ...]] = (
    *((name, role) for name in _OF_A_ROLE for role in PLAYED),
    ("swappiness", None),
)
"""Everything that may be set, in the order of the numbers."""
CONTROL_NAMES: Final = tuple(action if role is None else f"{action}.{role}" for action, role in CONTROLS)
"""Their names in a pack's manifest."""

WEIGHT_SPAN: Final = math.log(100.0)
"""A weight is exp(WEIGHT_SPAN x strength) of the usual one."""
_USUAL_WEIGHT = 100.0
_WHOLE, _LEAST_QUOTA, _LEAST_LIMIT = 100.0, 2.5, 1.5  # % of all CPUs, and of all memory
QUOTA_SPAN: Final = math.log(_WHOLE / _LEAST_QUOTA)
"""A quota is exp(-QUOTA_SPAN x strength) of all CPUs."""
_USUAL_SWAPPINESS, _SWAPPINESS_SPAN = 60.0, 140.0


@dataclass(frozen=True, slots=True)
class HostSize:
    """What a machine has: a limit means something only beside that."""

    cpus: int = 1
    memory_mib: float = 2048.0
    service_manager: bool = True
    """Without one no unit can fail."""


_UNKNOWN = HostSize()


def strength(action: str, value: float | None, host: HostSize) -> float:
    """How far ``action`` is from doing nothing on ``host``: -1..1, 0 when ``value`` is usual or None.

    Units of ``value``: cpu.max in % of a core, memory.high in MiB, pause 0 or 1, cpu.uclamp.max in %, the
    others the kernel's. KeyError for an action that is none of CONTROLS.
    """
    if value is None:
        return 0.0
    match action:
        case "cpu.weight" | "io.weight":
            return _within(math.log(max(value, 1.0) / _USUAL_WEIGHT) / WEIGHT_SPAN)
        case "cpu.max":
            return _tightness(value / host.cpus, _LEAST_QUOTA)
        case "cpu.uclamp.max":
            return min(1.0, max(0.0, 1 - value / 100))
        case "memory.high":
            return _tightness(100 * value / host.memory_mib, _LEAST_LIMIT)
        case "pause":
            return float(value > 0)
        case "swappiness":
            return _within((value - _USUAL_SWAPPINESS) / _SWAPPINESS_SPAN)
    raise KeyError(action)


RECENT_S: Final = (5, 30)
"""Frames that what is set now is compared with: what was set over so many of the last ones."""


def _within(value: float) -> float:
    return min(1.0, max(-1.0, value))


def _tightness(percent: float, least: float) -> float:
    """Of a limit to ``percent`` of what there is: 0 where that is all of it, 1 at ``least`` and below."""
    return max(0.0, _within(math.log(_WHOLE / max(percent, least)) / math.log(_WHOLE / least)))


class Controls:
    """The settings in force on ``host``."""

    def __init__(self, host: HostSize) -> None:
        self._host = host
        self.vector: FloatArray = np.zeros(len(CONTROLS), np.float32)
        """(A,), in the order of CONTROLS."""

    def act(self, action: str, args: Mapping[str, Any]) -> bool:
        """Count ``action`` as in force; False for one that the model knows nothing of."""
        control = (action, args.get("role"))
        value = args.get("value")
        if control not in CONTROLS or not (value is None or isinstance(value, int | float)):
            return False
        self.vector[CONTROLS.index(control)] = strength(action, value, self._host)
        return True

    def clear(self) -> None:
        """Nothing is set."""
        self.vector[:] = 0


class ActionSink(Protocol):
    """Anything that must know which actions are in force, as Controls and WorldModel."""

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
        """Assume that ``vector`` (A,) was set all along."""
        self._vectors[:] = vector

    @property
    def means(self) -> FloatArray:
        """(R, A), in the order of RECENT_S."""
        ages = (self._at - 1 - np.arange(len(self._vectors))) % len(self._vectors)
        return np.stack([self._vectors[ages[:span]].mean(axis=0) for span in RECENT_S])


def recent_means(settings: FloatArray) -> FloatArray:
    """(T, R, A): the means of Recent at each frame, of settings (T, A)."""
    recent = Recent()
    result = np.zeros((len(settings), len(RECENT_S), len(CONTROLS)), np.float32)
    if not settings.any():  # as in what a fleet records: frame by frame would take long for nothing
        return result
    for row, vector in enumerate(settings):
        recent.push(vector)
        result[row] = recent.means
    return result


class ActionReplay:
    """Passes on the actions of a recording when their time has come."""

    def __init__(self, actions: Sequence[Action]) -> None:
        self._coming = deque(sorted(actions, key=lambda action: action.ts_ns))

    def up_to(self, now_ns: int, sink: ActionSink) -> None:
        """Pass to ``sink`` those not passed on yet that were taken by ``now_ns``."""
        while self._coming and self._coming[0].ts_ns <= now_ns:
            action = self._coming.popleft()
            sink.act(action.action, action.args)


def host_of(meta: Meta) -> HostSize:
    """The machine that a recording is of, as far as that is known."""
    return HostSize(
        meta.cpus or _UNKNOWN.cpus,
        meta.memory_mib or _UNKNOWN.memory_mib,
        _UNKNOWN.service_manager if meta.service_manager is None else meta.service_manager,
    )


def in_force(recording: Recording) -> FloatArray:
    """(T, A): what was set when each frame of ``recording`` was taken."""
    controls, actions = Controls(host_of(recording.meta)), ActionReplay(recording.actions)
    result = np.zeros((len(recording.ts_ns), len(CONTROLS)), np.float32)
    for row, now in enumerate(recording.ts_ns):
        actions.up_to(int(now), controls)
        result[row] = controls.vector
    return result
