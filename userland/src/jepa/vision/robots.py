# SPDX-License-Identifier: Apache-2.0
"""Robots: any that speaks as LeRobot's do, behind an envelope that holds without a model.

Whatever proposes an action, a planner or a person, it goes through `SafeRobot`: bounds, speed, rate, force,
a watchdog for silence and a stop that stays. Later the guard and the journal of system actions decide too,
by the same seam (`Decides`).
"""

import importlib
import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from jepa.errors import JepaError

Action = Mapping[str, float]


class Robot(Protocol):
    """What LeRobot's Robot offers (lerobot/robots/robot.py), as far as it is needed here."""

    @property
    def action_features(self) -> Mapping[str, Any]:
        """The names of an action's numbers, in order."""

    @property
    def is_connected(self) -> bool:
        """Whether it answers."""

    def connect(self) -> None:
        """Reach it."""

    def get_observation(self) -> Mapping[str, Any]:
        """Numbers by name, and pictures (H, W, 3) by the camera's name."""

    def send_action(self, action: Action) -> Mapping[str, Any]:
        """Move there; answers what was sent in truth."""

    def disconnect(self) -> None:
        """Let go."""


class Decides(Protocol):
    """Whoever may refuse an action that the envelope lets through."""

    def decide(self, action: Action, before: Mapping[str, Any]) -> None:
        """JepaError with the reason when ``action`` must not be taken."""


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
    """After so long without an action it is told to stay where it is."""

    def bounded(self, action: Action, before: Mapping[str, Any], seconds: float) -> dict[str, float]:
        """``action`` within limits and speed, ``seconds`` after it was as in ``before``.

        JepaError for names that are missing or unknown, and for numbers that are none.
        """
        if set(action) != set(self.limits):
            other = sorted(set(action) ^ set(self.limits))
            raise JepaError(f"An action must have {', '.join(self.limits)}; look at {other[0]}.", _AS_IS)
        result = {}
        for name, limit in self.limits.items():
            wanted, now = float(action[name]), float(before[name])
            if not math.isfinite(wanted) or not math.isfinite(now):
                raise JepaError(f"{name} is no number.", _AS_IS)
            reach = limit.a_second * seconds
            result[name] = min(max(wanted, now - reach, limit.low), now + reach, limit.high)
        return result


_AS_IS = "Nothing was moved."
_RELEASE = "See that it is safe, then release the stop."


class SafeRobot:
    """A robot that can only be moved within its envelope. Safe to use by several threads.

    As a context it connects and watches; leaving it stops the robot first.
    """

    def __init__(
        self,
        robot: Robot,
        envelope: Envelope,
        decides: Decides | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._robot, self._envelope, self._decides, self._clock = robot, envelope, decides, clock
        self._lock = threading.RLock()
        self._stopped: str | None = None
        self._sent_at: float | None = None
        self._idle = True
        self._over = threading.Event()
        self._watchdog = threading.Thread(target=self._watch, daemon=True)

    @property
    def stopped(self) -> str | None:
        """Why it stands still for good; None while it may move."""
        return self._stopped

    def __enter__(self) -> "SafeRobot":
        self._robot.connect()
        self._watchdog.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._watchdog.join()
        try:
            if self._stopped is None:
                self._hold()
        finally:
            self._robot.disconnect()

    def observe(self) -> Mapping[str, Any]:
        """What it sees and where it is; stops it when a force is too great."""
        with self._lock:
            seen = self._robot.get_observation()
            for name, most in self._envelope.forces.items():
                force = float(seen.get(name, math.nan))
                if not abs(force) <= most:
                    self.stop(f"{name} is {force:.3g}, more than {most:.3g}")
            return seen

    def send(self, action: Action) -> dict[str, float]:
        """Move towards ``action`` as far as the envelope allows; answers what was sent.

        JepaError when it is stopped, when it is too soon, or when somebody decides against it.
        """
        with self._lock:
            now = self._clock()
            period = 1 / self._envelope.rate_hz
            if self._sent_at is not None and now - self._sent_at < period * 0.999:
                raise JepaError("That is too soon after the last action.", _AS_IS)
            before = self.observe()
            if self._stopped is not None:
                raise JepaError(f"The robot is stopped: {self._stopped}.", _RELEASE)
            bounded = self._envelope.bounded(action, before, period)
            if self._decides is not None:
                self._decides.decide(bounded, before)
            self._robot.send_action(bounded)
            self._sent_at, self._idle = now, False
            return bounded

    def stop(self, reason: str) -> None:
        """Stand still, and refuse to move until ``release``; needs no model, nor a robot that answers."""
        with self._lock:
            if self._stopped is None:
                self._stopped = reason
                try:
                    self._hold()
                except Exception as error:  # whatever a driver raises
                    self._stopped = f"{reason}, and it does not answer: {error}"

    def release(self) -> None:
        """Allow motion again: a person has looked."""
        with self._lock:
            self._stopped = None

    def check_silence(self) -> None:
        """What the watchdog does a few times a second: when nobody has acted for a while, stay."""
        with self._lock:
            late = self._sent_at is not None and self._clock() - self._sent_at > self._envelope.silence_s
            if late and not self._idle:
                self._hold()
                self._idle = True

    def _hold(self) -> None:
        """Tell it to be where it is."""
        with self._lock:
            seen = self._robot.get_observation()
            self._robot.send_action({name: float(seen[name]) for name in self._envelope.limits})

    def _watch(self) -> None:
        while not self._over.wait(self._envelope.silence_s / 4):
            try:
                self.check_silence()
            except Exception as error:  # whatever a driver raises: a robot that does not answer is stopped
                self._stopped = self._stopped or f"it does not answer: {error}"


def open_robot(name: str) -> tuple[Robot, Envelope]:
    """``two-room`` or ``simulated-arm``, or what ``PACKAGE.MODULE:FUNCTION`` answers: a robot, its envelope.

    JepaError when it cannot be had.
    """
    if name == "two-room":
        from jepa.vision.two_room import SimulatedRoom

        return SimulatedRoom(), SimulatedRoom.ENVELOPE
    if name == "simulated-arm":
        from jepa.vision.arm import SimulatedArm

        return SimulatedArm(), SimulatedArm.ENVELOPE
    module, _, function = name.partition(":")
    if not function:
        raise JepaError(
            f"There is no robot {name!r}.", "Name two-room, simulated-arm, or PACKAGE.MODULE:FUNCTION."
        )
    try:
        made: tuple[Robot, Envelope] = getattr(importlib.import_module(module), function)()
    except (ImportError, AttributeError) as error:
        raise JepaError(f"The robot {name} cannot be had: {error}.", "Is its package installed?") from error
    return made
