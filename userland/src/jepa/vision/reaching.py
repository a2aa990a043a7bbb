# SPDX-License-Identifier: Apache-2.0
"""A robot on its way to a goal that is a picture: see, imagine, move a little, look again."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from jepa.errors import JepaError
from jepa.vision.planning import VisualPlanner
from jepa.vision.robots import Envelope, SafeRobot
from jepa.vision.source import ByteArray

THERE = 2.5
"""Steps left at which the goal counts as reached."""


@dataclass(frozen=True, slots=True)
class Move:
    """One move, taken or only planned."""

    action: dict[str, float]
    steps_left: float
    """Before it, as the model sees it."""
    expected_left: float
    """After the course that it begins."""
    there: bool
    took_ms: float


class Reaching:
    """One goal. The pack's actions, -1..1, are how far each number moves in a period, of what it may."""

    def __init__(
        self,
        planner: VisualPlanner,
        robot: SafeRobot,
        envelope: Envelope,
        goal: ByteArray,
        seed: int = 0,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        if planner.manifest.actions != len(envelope.limits):
            raise JepaError(
                f"{planner.manifest.name} moves {planner.manifest.actions} numbers, "
                f"and this robot has {len(envelope.limits)}.",
                "Name the pack that was trained for it.",
            )
        self._planner, self._robot, self._envelope, self._wait = planner, robot, envelope, wait
        self._goal = planner.see(goal)
        self._rng = np.random.default_rng(seed)

    def plan(self) -> Move:
        """What it would do now."""
        return self._move(self._robot.observe())

    def step(self) -> Move:
        """Do that, unless it is there; JepaError when the robot may not move."""
        move = self._move(self._robot.observe())
        if not move.there:
            self._robot.send(move.action)
            self._wait(1 / self._envelope.rate_hz)
        return move

    def _move(self, seen: Mapping[str, Any]) -> Move:
        picture = next(
            (each for each in seen.values() if isinstance(each, np.ndarray) and each.ndim == 3), None
        )
        if picture is None:
            raise JepaError("The robot has no camera.", "Plug one in.")
        latent = self._planner.see(picture)
        left = self._planner.distance(latent, self._goal)
        course = self._planner.plan(latent, self._goal, self._rng)
        period = 1 / self._envelope.rate_hz
        action = {
            name: float(seen[name]) + float(share) * limit.a_second * period
            for (name, limit), share in zip(self._envelope.limits.items(), course.actions[0], strict=True)
        }
        return Move(action, left, float(course.distances[-1]), left < THERE, course.took_ms)
