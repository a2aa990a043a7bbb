# SPDX-License-Identifier: Apache-2.0
"""TwoRoom, a simulated robot: a dot, two rooms, a door between them; many at once.

The environment of stable-worldmodel 0.1.1 with its usual variation (one door, a vertical wall, speed 5):
the same pictures, the same collisions, the same success. It is written anew because the library draws one
picture at a time and brings a data base along; the two were held against each other, see the pack's card.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from jepa.robots.envelope import Envelope, Limit
from jepa.vision.clip import FloatArray
from jepa.vision.picture import ByteArray

SIZE = 224
_BORDER, _LINE = 14, 4
CENTRE, _HALF_WALL = 112, 5
DOOR, HALF_DOOR, _MARGIN = 49, 14, 1.75
_RADIUS = 7.0
SPEED = 5.0
REACHED = 16.0
"""Pixels from the goal within which it counts as reached."""
_LOW, _HIGH = _BORDER + _RADIUS, SIZE - _BORDER - _RADIUS
WALL = _HALF_WALL + _RADIUS
"""Pixels from the wall's middle at which the dot touches it."""
_REPEL = 0.5


def background() -> ByteArray:
    """(H, W, 3): white, with walls and a border in black."""
    picture = np.full((SIZE, SIZE, 3), 255, np.uint8)
    wall = np.zeros((SIZE, SIZE), np.bool_)
    wall[:, CENTRE - _HALF_WALL : CENTRE + _HALF_WALL + 1] = True
    wall[DOOR - HALF_DOOR : DOOR + HALF_DOOR + 1] = False
    first, last = _BORDER - _LINE, SIZE - _BORDER
    wall[:, first : first + _LINE] = wall[:, last : last + _LINE] = True
    wall[first : first + _LINE] = wall[last : last + _LINE] = True
    picture[wall] = 0
    return picture


BACKGROUND = background().astype(np.float32)
_COLOUR = np.array([255, 0, 0], np.float32)


def draw(at: FloatArray) -> ByteArray:
    """Positions (B, 2), x and y in pixels, to pictures (B, H, W, 3) with a red dot there."""
    return np.stack([dotted(x, y, slice(SIZE), slice(SIZE)) for x, y in at])


def dotted(x: float, y: float, rows: slice, columns: slice) -> ByteArray:
    """(H', W', 3), a part of the picture with the dot at x, y."""
    places = np.arange(SIZE, dtype=np.float32)
    across, down = (np.exp(-((places - middle) ** 2) / (2 * _RADIUS**2)) for middle in (x, y))
    dot = np.outer(down / down.max(), across / across.max())[rows, columns, None]
    return np.asarray(BACKGROUND[rows, columns] * (1 - dot) + _COLOUR * dot, np.uint8)


def step(at: FloatArray, action: FloatArray) -> FloatArray:
    """Positions (B, 2) after actions (B, 2), -1..1: as far as walls allow."""
    to = np.clip(at + np.clip(action, -1, 1) * SPEED, _LOW, _HIGH).astype(np.float32)
    shut = np.abs(to[:, 1] - DOOR) > HALF_DOOR + _MARGIN
    left = at[:, 0] < CENTRE
    to[left & shut & (to[:, 0] > CENTRE - WALL), 0] = CENTRE - WALL - _REPEL
    to[~left & shut & (to[:, 0] < CENTRE + WALL), 0] = CENTRE + WALL + _REPEL
    return to


def reached(at: FloatArray, goal: FloatArray) -> npt.NDArray[np.bool_]:
    """(B,) whether the goals (B, 2) are reached."""
    return np.asarray(np.linalg.norm(at - goal, axis=1) < REACHED)


def places(rng: np.random.Generator, count: int) -> FloatArray:
    """(count, 2) anywhere but in the wall."""
    found = rng.uniform(_BORDER, SIZE - _BORDER - 1, (count, 2)).astype(np.float32)
    while (inside := np.abs(found[:, 0] - CENTRE) <= WALL).any():
        found[inside] = rng.uniform(_BORDER, SIZE - _BORDER - 1, (int(inside.sum()), 2))
    return np.clip(found, _LOW, _HIGH).astype(np.float32)


class SimulatedRoom:
    """One dot as a robot whose action is where to go, seen by a camera above."""

    ENVELOPE = Envelope(
        limits={axis: Limit(_LOW, _HIGH, 10 * SPEED) for axis in ("x", "y")},
        rate_hz=10.0,
        forces={},
        silence_s=1.0,
    )
    action_features: Mapping[str, type] = {"x": float, "y": float}

    def __init__(self, seed: int | None = None) -> None:
        self._at = places(np.random.default_rng(seed), 1)
        self.is_connected = False

    def connect(self) -> None:
        """It is there at once."""
        self.is_connected = True

    def get_observation(self) -> Mapping[str, Any]:
        """Where the dot is, and the picture."""
        x, y = self._at[0]
        return {"x": float(x), "y": float(y), "camera": draw(self._at)[0]}

    def send_action(self, action: Mapping[str, float]) -> Mapping[str, Any]:
        """One step towards a place; walls may be in the way."""
        to = np.array([[action["x"], action["y"]]], np.float32)
        self._at = step(self._at, (to - self._at) / SPEED)
        return dict(action)

    def disconnect(self) -> None:
        """It is gone at once."""
        self.is_connected = False
