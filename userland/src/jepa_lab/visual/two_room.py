# SPDX-License-Identifier: Apache-2.0
"""TwoRoom: a dot, two rooms, a door between them; many at once.

The environment of stable-worldmodel 0.1.1 with its usual variation (one door, a vertical wall, speed 5):
the same pictures, the same collisions, the same success. It is written anew because the library draws one
picture at a time and brings a data base along; the two were held against each other, see the pack's card.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from jepa.packs.vision import Clip
from jepa.vision.clip import FloatArray, Framer, middle_rows

ByteArray = npt.NDArray[np.uint8]

SIZE = 224
_BORDER, _LINE = 14, 4
_CENTRE, _HALF_WALL = 112, 5
_DOOR, _HALF_DOOR, _MARGIN = 49, 14, 1.75
_RADIUS = 7.0
SPEED = 5.0
REACHED = 16.0
"""Pixels from the goal within which it counts as reached."""
_LOW, _HIGH = _BORDER + _RADIUS, SIZE - _BORDER - _RADIUS
_WALL = _HALF_WALL + _RADIUS
"""Pixels from the wall's middle at which the dot touches it."""
_REPEL = 0.5


def background() -> ByteArray:
    """(H, W, 3): white, with walls and a border in black."""
    picture = np.full((SIZE, SIZE, 3), 255, np.uint8)
    wall = np.zeros((SIZE, SIZE), np.bool_)
    wall[:, _CENTRE - _HALF_WALL : _CENTRE + _HALF_WALL + 1] = True
    wall[_DOOR - _HALF_DOOR : _DOOR + _HALF_DOOR + 1] = False
    first, last = _BORDER - _LINE, SIZE - _BORDER
    wall[:, first : first + _LINE] = wall[:, last : last + _LINE] = True
    wall[first : first + _LINE] = wall[last : last + _LINE] = True
    picture[wall] = 0
    return picture


_BACKGROUND = background().astype(np.float32)
_COLOUR = np.array([255, 0, 0], np.float32)
_REACH = 41
"""Pixels around the dot in which a picture differs from the background; beyond, float32 sees none of it."""


def draw(at: FloatArray) -> ByteArray:
    """Positions (B, 2), x and y in pixels, to pictures (B, H, W, 3) with a red dot there."""
    return np.stack([_dotted(x, y, slice(SIZE), slice(SIZE)) for x, y in at])


def _dotted(x: float, y: float, rows: slice, columns: slice) -> ByteArray:
    """(H', W', 3), a part of the picture with the dot at x, y."""
    places = np.arange(SIZE, dtype=np.float32)
    across, down = (np.exp(-((places - middle) ** 2) / (2 * _RADIUS**2)) for middle in (x, y))
    dot = np.outer(down / down.max(), across / across.max())[rows, columns, None]
    return np.asarray(_BACKGROUND[rows, columns] * (1 - dot) + _COLOUR * dot, np.uint8)


class Painter:
    """Draws for an encoder, as drawing and framing would, but only where the dot is: far faster."""

    def __init__(self, clip: Clip) -> None:
        self._clip, self._framer = clip, Framer(clip)
        self._weights = middle_rows(SIZE, clip.resize, clip.crop)
        background = np.moveaxis(_BACKGROUND, 2, 0)
        self._background = self._weights @ background @ self._weights.T  # (3, P, P)

    def __call__(self, at: FloatArray) -> FloatArray:
        """Positions (N, 2) -> (N, 3, P, P) normalised."""
        small = np.stack([self._small(float(x), float(y)) for x, y in at])
        return self._framer.normalised(small)

    def _small(self, x: float, y: float) -> FloatArray:
        columns, rows = (
            slice(max(0, int(middle) - _REACH), min(SIZE, int(middle) + _REACH + 1)) for middle in (x, y)
        )
        changed = _dotted(x, y, rows, columns) - _BACKGROUND[rows, columns]
        down, across = self._weights[:, rows], self._weights[:, columns]
        return np.asarray(self._background + down @ np.moveaxis(changed, 2, 0) @ across.T, np.float32)


def step(at: FloatArray, action: FloatArray) -> FloatArray:
    """Positions (B, 2) after actions (B, 2), -1..1: as far as walls allow."""
    to = np.clip(at + np.clip(action, -1, 1) * SPEED, _LOW, _HIGH).astype(np.float32)
    shut = np.abs(to[:, 1] - _DOOR) > _HALF_DOOR + _MARGIN
    left = at[:, 0] < _CENTRE
    to[left & shut & (to[:, 0] > _CENTRE - _WALL), 0] = _CENTRE - _WALL - _REPEL
    to[~left & shut & (to[:, 0] < _CENTRE + _WALL), 0] = _CENTRE + _WALL + _REPEL
    return to


def reached(at: FloatArray, goal: FloatArray) -> npt.NDArray[np.bool_]:
    """(B,) whether the goals (B, 2) are reached."""
    return np.asarray(np.linalg.norm(at - goal, axis=1) < REACHED)


def places(rng: np.random.Generator, count: int) -> FloatArray:
    """(count, 2) anywhere but in the wall."""
    found = rng.uniform(_BORDER, SIZE - _BORDER - 1, (count, 2)).astype(np.float32)
    while (inside := np.abs(found[:, 0] - _CENTRE) <= _WALL).any():
        found[inside] = rng.uniform(_BORDER, SIZE - _BORDER - 1, (int(inside.sum()), 2))
    return np.clip(found, _LOW, _HIGH).astype(np.float32)


def expert(at: FloatArray, goal: FloatArray) -> FloatArray:
    """(B, 2) the action of one who knows the way: through the door, then straight on."""
    door = np.array([_CENTRE, _DOOR], np.float32)
    other = (at[:, 0] > _CENTRE) != (goal[:, 0] > _CENTRE)
    aim = np.where(other[:, None], door, goal)
    # At the door its middle is no aim any more: on, to the far side of the wall.
    through = other & (np.abs(at[:, 1] - _DOOR) < _HALF_DOOR) & (np.abs(at[:, 0] - _CENTRE) < _WALL + SPEED)
    beyond = np.where(goal[:, 0] > _CENTRE, _CENTRE + _WALL + SPEED, _CENTRE - _WALL - SPEED)
    aim = np.where(through[:, None], np.stack([beyond, at[:, 1]], 1), aim)
    way = aim - at
    far = np.linalg.norm(way, axis=1, keepdims=True)
    return np.asarray(way / np.maximum(far, SPEED), np.float32)


@dataclass(frozen=True, slots=True)
class Walks:
    """Trajectories."""

    at: FloatArray
    """(B, T + 1, 2) positions."""
    action: FloatArray
    """(B, T, 2) what was done at each but the last."""


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
