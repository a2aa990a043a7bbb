# SPDX-License-Identifier: Apache-2.0
"""A robot on its way to a goal that is a picture: see, imagine, move a little, look again."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from jepa.errors import JepaError
from jepa.vision.picture import ByteArray
from jepa.vision.planning import Planner, Standing
from jepa.vision.robots import Envelope, SafeRobot

_SHAPES_ALIKE = 0.02
"""Of width over height; more shows another part of the world once the middle is cut out."""


@dataclass(frozen=True, slots=True)
class Move:
    """One move, taken or only planned."""

    action: dict[str, float]
    left: float
    """Before it, as the model sees it, in ``unit``."""
    expected_left: float
    """After the course that it begins."""
    unit: str
    there: bool
    took_ms: float


class Reaching:
    """One goal."""

    def __init__(
        self,
        planner: Planner,
        robot: SafeRobot,
        envelope: Envelope,
        goal: ByteArray,
        seed: int = 0,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        if planner.numbers != len(envelope.limits):
            raise JepaError(
                f"{planner.name} moves {planner.numbers} numbers, "
                f"and this robot has {len(envelope.limits)}.",
                "Name the pack that was trained for it.",
            )
        self._planner, self._robot, self._envelope, self._wait = planner, robot, envelope, wait
        self._goal, self._shape = planner.see(goal), goal.shape
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
        self._refuse_other_shape(picture)
        latent = self._planner.see(picture)
        left = self._planner.distance(latent, self._goal)
        limits, period = self._envelope.limits, 1 / self._envelope.rate_hz
        standing = Standing(
            np.array([float(seen[name]) for name in limits], np.float32),
            np.array([limit.a_second * period for limit in limits.values()], np.float32),
        )
        course = self._planner.plan(latent, self._goal, standing, self._rng)
        action = {
            name: float(at + by) for name, at, by in zip(limits, standing.at, course.moves[0], strict=True)
        }
        there = self._planner.there(left, course)
        return Move(action, left, float(course.distances[-1]), self._planner.unit, there, course.took_ms)

    def _refuse_other_shape(self, picture: ByteArray) -> None:
        (tall, wide), (high, broad) = self._shape[:2], picture.shape[:2]
        if abs(wide * high / (tall * broad) - 1) > _SHAPES_ALIKE:
            raise JepaError(
                f"The goal is {wide} x {tall} pixels and the camera's picture {broad} x {high}: "
                "they do not show as much to each side.",
                "Take the goal's picture with that camera.",
            )
