# SPDX-License-Identifier: Apache-2.0
"""Walks through TwoRoom to learn from: experts with noise, and pictures of them, painted quickly."""

import numpy as np
import numpy.typing as npt
import torch

from jepa.packs.vision import Clip
from jepa.robots import two_room
from jepa.robots.two_room import (
    BACKGROUND,
    CENTRE,
    DOOR,
    HALF_DOOR,
    SIZE,
    SPEED,
    WALL,
    dotted,
    places,
    reached,
    step,
)
from jepa.vision.clip import FloatArray, Framer, middle_rows
from jepa.vision.picture import ByteArray
from jepa_lab.visual import environment
from jepa_lab.visual.environment import Walks

_REACH = 41
"""Pixels around the dot in which a picture differs from the background; beyond, float32 sees none of it."""


class Painter:
    """Draws for an encoder, as drawing and framing would, but only where the dot is: far faster."""

    def __init__(self, clip: Clip) -> None:
        self._clip, self._framer = clip, Framer(clip)
        self._weights = middle_rows(SIZE, clip.resize, clip.crop)
        background = np.moveaxis(BACKGROUND, 2, 0)
        self._background = self._weights @ background @ self._weights.T  # (3, P, P)

    def __call__(self, at: FloatArray) -> FloatArray:
        """Positions (N, 2) -> (N, 3, P, P) normalised."""
        small = np.stack([self._small(float(x), float(y)) for x, y in at])
        return self._framer.normalised(small)

    def _small(self, x: float, y: float) -> FloatArray:
        columns, rows = (
            slice(max(0, int(middle) - _REACH), min(SIZE, int(middle) + _REACH + 1)) for middle in (x, y)
        )
        changed = dotted(x, y, rows, columns) - BACKGROUND[rows, columns]
        down, across = self._weights[:, rows], self._weights[:, columns]
        return np.asarray(self._background + down @ np.moveaxis(changed, 2, 0) @ across.T, np.float32)


def expert(at: FloatArray, goal: FloatArray) -> FloatArray:
    """(B, 2) the action of one who knows the way: through the door, then straight on."""
    door = np.array([CENTRE, DOOR], np.float32)
    other = (at[:, 0] > CENTRE) != (goal[:, 0] > CENTRE)
    aim = np.where(other[:, None], door, goal)
    # At the door its middle is no aim any more: on, to the far side of the wall.
    through = other & (np.abs(at[:, 1] - DOOR) < HALF_DOOR) & (np.abs(at[:, 0] - CENTRE) < WALL + SPEED)
    beyond = np.where(goal[:, 0] > CENTRE, CENTRE + WALL + SPEED, CENTRE - WALL - SPEED)
    aim = np.where(through[:, None], np.stack([beyond, at[:, 1]], 1), aim)
    way = aim - at
    far = np.linalg.norm(way, axis=1, keepdims=True)
    return np.asarray(way / np.maximum(far, SPEED), np.float32)


def walk(
    rng: np.random.Generator, count: int, steps: int, noise: float = 0.3, wander: float = 0.15
) -> Walks:
    """Experts on their way from goal to goal, with noise in what they do; now and then they only wander."""
    at = [places(rng, count)]
    goal = places(rng, count)
    actions = []
    drift = np.zeros((count, 2), np.float32)
    lost = np.zeros(count, np.bool_)
    for _ in range(steps):
        now = at[-1]
        goal[reached(now, goal)] = places(rng, int(reached(now, goal).sum()))
        turn = rng.random(count) < 0.05
        lost[turn] = rng.random(int(turn.sum())) < wander
        drift[turn] = rng.uniform(-1, 1, (int(turn.sum()), 2))
        known = expert(now, goal) + noise * rng.normal(size=(count, 2))
        action = np.clip(np.where(lost[:, None], drift, known), -1, 1).astype(np.float32)
        actions.append(action)
        at.append(step(now, action))
    return Walks(np.stack(at, 1), np.stack(actions, 1))


class Room:
    """One dot that goes on."""

    def __init__(self, state: FloatArray) -> None:
        self.state = state

    def step(self, action: FloatArray) -> None:
        """See `jepa_lab.visual.environment.World`."""
        self.state = step(self.state[None], action[None])[0]


class TwoRoom:
    """TwoRoom as an environment to learn from; see `jepa_lab.visual.environment.Environment`."""

    name, title, hard, numbers = "two-room", "TwoRoom", "in the other room", 2

    def walk(self, rng: np.random.Generator, count: int, steps: int) -> Walks:
        """Experts with noise, who now and then only wander."""
        return walk(rng, count, steps)

    expert = walk

    def painter(self, clip: Clip, device: str = "cpu") -> environment.Painter:
        """Of positions (N, 2)."""
        painter = Painter(clip)
        return lambda at: torch.from_numpy(painter(at)).to(device)

    def draw(self, state: FloatArray) -> ByteArray:
        """Of positions (N, 2)."""
        return two_room.draw(state)

    def begin(self, state: FloatArray) -> Room:
        """With the dot there."""
        return Room(state)

    def reached(self, state: FloatArray, goal: FloatArray) -> npt.NDArray[np.bool_]:
        """Within 16 pixels."""
        return reached(state, goal)

    def is_hard(self, start: FloatArray, goal: FloatArray) -> npt.NDArray[np.bool_]:
        """The wall is in the way."""
        return np.asarray((start[:, 0] > CENTRE) != (goal[:, 0] > CENTRE))
