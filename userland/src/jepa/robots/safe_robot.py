# SPDX-License-Identifier: Apache-2.0
"""A robot behind its envelope, which holds without a model.

Whatever proposes an action, a planner or a person, it goes through `SafeRobot`: bounds, speed, rate, force,
a watchdog for silence and a stop that stays. The guard of system actions can decide too, as an
`ActionPolicy`.
"""

import math
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from jepa.errors import JepaError
from jepa.robots.envelope import NOTHING_MOVED, Envelope
from jepa.robots.robot import Action, Robot

_RELEASE = "See that it is safe, then release the stop."


class ActionPolicy(Protocol):
    """Whoever may refuse an action that the envelope lets through."""

    def decide(self, action: Action, before: Mapping[str, Any]) -> None:
        """JepaError with the reason when ``action`` must not be taken."""


class SafeRobot:
    """A robot that can only be moved within its envelope. Safe to use by several threads.

    As a context it connects and watches; leaving it stops the robot first.
    """

    def __init__(
        self,
        robot: Robot,
        envelope: Envelope,
        policy: ActionPolicy | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._robot, self._envelope, self._policy, self._clock = robot, envelope, policy, clock
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
                raise JepaError("That is too soon after the last action.", NOTHING_MOVED)
            before = self.observe()
            if self._stopped is not None:
                raise JepaError(f"The robot is stopped: {self._stopped}.", _RELEASE)
            bounded = self._envelope.bounded(action, before, period)
            if self._policy is not None:
                self._policy.decide(bounded, before)
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
        """Command the pose it has."""
        with self._lock:
            seen = self._robot.get_observation()
            self._robot.send_action({name: float(seen[name]) for name in self._envelope.limits})

    def _watch(self) -> None:
        while not self._over.wait(self._envelope.silence_s / 4):
            try:
                self.check_silence()
            except Exception as error:  # whatever a driver raises: a robot that does not answer is stopped
                self._stopped = self._stopped or f"it does not answer: {error}"
