# SPDX-License-Identifier: Apache-2.0
"""What the visual world model needs of an environment; each is one instance of the same recipe."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor

from jepa.packs.vision import Clip
from jepa.vision.clip import FloatArray
from jepa.vision.picture import ByteArray


@dataclass(frozen=True, slots=True)
class Walks:
    """Trajectories."""

    at: FloatArray
    """(B, T + 1, S) states."""
    action: FloatArray
    """(B, T, A) what was done at each but the last."""


Painter = Callable[[FloatArray], Tensor]
"""States (N, S) to pictures as an encoder takes them, (N, 3, P, P), where it is."""


class World(Protocol):
    """One environment that goes on."""

    @property
    def state(self) -> FloatArray:
        """(S,)"""

    def step(self, action: FloatArray) -> None:
        """One step of ``action`` (A,), -1..1."""


class Environment(Protocol):
    """See the module."""

    name: str
    """As a pack and on the command line."""
    title: str
    hard: str
    """What makes some goals hard."""
    numbers: int
    """A, of an action of one step."""

    def walk(self, rng: np.random.Generator, count: int, steps: int) -> Walks:
        """``count`` trajectories to learn from."""

    def expert(self, rng: np.random.Generator, count: int, steps: int) -> Walks:
        """``count`` trajectories of which goals are taken."""

    def painter(self, clip: Clip, device: str = "cpu") -> Painter:
        """For an encoder on PyTorch's ``device``."""

    def draw(self, state: FloatArray) -> ByteArray:
        """States (N, S) to pictures (N, H, W, 3)."""

    def begin(self, state: FloatArray) -> World:
        """A world in that state (S,)."""

    def reached(self, state: FloatArray, goal: FloatArray) -> npt.NDArray[np.bool_]:
        """(N,) whether the goals (N, S) are reached: the environment's own success."""

    def is_hard(self, start: FloatArray, goal: FloatArray) -> npt.NDArray[np.bool_]:
        """(N,) which of them are hard."""
