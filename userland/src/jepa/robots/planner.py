# SPDX-License-Identifier: Apache-2.0
"""What a robot on its way to a goal picture asks of a planner."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from jepa.vision.clip import FloatArray
from jepa.vision.picture import ByteArray


@dataclass(frozen=True, slots=True)
class RobotState:
    """Where a robot's numbers are (A,), and how far each may move in a period (A,)."""

    at: FloatArray
    reach: FloatArray


@dataclass(frozen=True, slots=True)
class ActionSequence:
    """The sequence of actions chosen."""

    moves: FloatArray
    """(P, A) how far each of the robot's numbers is to move in each period, in its own units."""
    distances: FloatArray
    """(S,) to the goal after each action, as imagined; one fills P / S periods."""
    took_ms: float


class RobotPlanner(Protocol):
    """Whoever knows a way to a goal."""

    @property
    def name(self) -> str:
        """Of its pack."""

    @property
    def numbers(self) -> int:
        """In an action."""

    @property
    def unit(self) -> str:
        """Of its distances."""

    def see(self, rgb: ByteArray) -> FloatArray:
        """A picture (H, W, 3) to its latent, of a shape of the planner's own."""

    def distance(self, latent: FloatArray, goal: FloatArray) -> float:
        """From one latent to another."""

    def plan(
        self, latent: FloatArray, goal: FloatArray, state: RobotState, rng: np.random.Generator
    ) -> ActionSequence:
        """The best sequence that it found."""

    def reached(self, left: float, sequence: ActionSequence) -> bool:
        """Whether the goal, ``left`` away, needs no move of the ``sequence`` any more."""
