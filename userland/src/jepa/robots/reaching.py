# SPDX-License-Identifier: Apache-2.0
"""A robot on its way to a goal that is a picture: see, imagine, move a little, look again."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from jepa.errors import JepaError
from jepa.robots.envelope import Envelope
from jepa.robots.planner import RobotPlanner, RobotState
from jepa.robots.safe_robot import SafeRobot
from jepa.vision.clip import FloatArray
from jepa.vision.picture import ByteArray

_SHAPES_ALIKE = 0.02
"""Of width over height; more shows another part of the world once the middle is cut out."""


_FROZEN, _MOVED = 3, 0.1
"""A camera has stopped when its picture stays for so many moves, each that share of the furthest or more."""


@dataclass(frozen=True, slots=True)
class Move:
    """One move, taken or only planned."""

    action: dict[str, float]
    left: float
    """Before it, as the model sees it, in ``unit``."""
    expected_left: float
    """After the sequence that it begins."""
    unit: str
    reached: bool
    """Whether the goal needs no further action."""
    took_ms: float


class Reaching:
    """One goal."""

    def __init__(
        self,
        planner: RobotPlanner,
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
        self._before: tuple[ByteArray, FloatArray] | None = None
        """The picture before, and where the robot's numbers were."""
        self._frozen = 0
        """Times in a row that it moved and the picture stayed."""

    def plan(self) -> Move:
        """What it would do now."""
        return self._move(self._robot.observe())

    def step(self) -> Move:
        """Do that, unless the goal is reached; JepaError when the robot may not move."""
        move = self._move(self._robot.observe())
        if not move.reached:
            self._robot.send(move.action)
            self._wait(1 / self._envelope.rate_hz)
        return move

    def _move(self, seen: Mapping[str, Any]) -> Move:
        picture = next((each for each in seen.values() if _is_picture(each)), None)
        if picture is None:
            raise JepaError(
                "The robot has no camera that gives colour pictures (H, W, 3) in bytes.", "Plug one in."
            )
        self._refuse_other_shape(picture)
        latent = self._planner.see(picture)
        left = self._planner.distance(latent, self._goal)
        limits, period = self._envelope.limits, 1 / self._envelope.rate_hz
        state = RobotState(
            np.array([float(seen[name]) for name in limits], np.float32),
            np.array([limit.a_second * period for limit in limits.values()], np.float32),
        )
        self._refuse_frozen(picture, state)
        sequence = self._planner.plan(latent, self._goal, state, self._rng)
        action = {
            name: float(at + by) for name, at, by in zip(limits, state.at, sequence.moves[0], strict=True)
        }
        reached = self._planner.reached(left, sequence)
        return Move(
            action, left, float(sequence.distances[-1]), self._planner.unit, reached, sequence.took_ms
        )

    def _refuse_frozen(self, picture: ByteArray, state: RobotState) -> None:
        """Stop a robot that goes on moving while its camera shows one and the same picture."""
        if self._before is not None:
            moved = (np.abs(state.at - self._before[1]) > _MOVED * state.reach).any()
            stayed = np.array_equal(picture, self._before[0])
            self._frozen = self._frozen + 1 if moved and stayed else 0
        self._before = picture.copy(), state.at
        if self._frozen >= _FROZEN:
            self._robot.stop("its camera shows the same picture while it moves")
            raise JepaError(
                f"The robot has moved {self._frozen} times and its camera still shows the same picture.",
                "See that the camera runs, then release the stop.",
            )

    def _refuse_other_shape(self, picture: ByteArray) -> None:
        (tall, wide), (high, broad) = self._shape[:2], picture.shape[:2]
        if abs(wide * high / (tall * broad) - 1) > _SHAPES_ALIKE:
            raise JepaError(
                f"The goal is {wide} x {tall} pixels and the camera's picture {broad} x {high}: "
                "they do not show as much to each side.",
                "Take the goal's picture with that camera.",
            )


def _is_picture(value: object) -> bool:
    """Colours in bytes; neither depth, nor colours as shares of 1."""
    return (
        isinstance(value, np.ndarray) and value.ndim == 3 and value.shape[2] == 3 and value.dtype == np.uint8
    )
