# SPDX-License-Identifier: Apache-2.0
"""Push-T: a disc that pushes a T-shaped block about a table, by Chipmunk's physics.

The environment of gym-pusht 0.1.6 as stable-worldmodel uses it: an action is where the disc is to go,
relative to where it is; success is where disc and block both are. Written anew because those draw one
picture at a time, and bring a game library, OpenCV and more along; held against gym-pusht once, see the
pack's card.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pymunk

from jepa.robots.envelope import Envelope, Limit
from jepa.vision.clip import FloatArray
from jepa_lab.visual.push_t_picture import MIDDLE, RADIUS, SIZE, draw

REACH = 50.0
"""How far from the disc an action of 1 aims: half as far as in the public environment, which is enough."""
PACE = 0.4 * REACH
"""Pixels a step that the disc comes to if an action of 1 is kept up."""
STATE = 7
"""Disc x, y; block x, y, angle; the disc's velocity."""
GYRATION = np.sqrt(3000.0)
"""The block's radius of gyration, by its moment of inertia."""
_STIFF, _DAMP, _DT, _SUBSTEPS = 100.0, 20.0, 0.01, 10
_LOW, _HIGH = 5, 506
_WALLS = (
    ((_LOW, _HIGH), (_LOW, _LOW)),
    ((_LOW, _LOW), (_HIGH, _LOW)),
    ((_HIGH, _LOW), (_HIGH, _HIGH)),
    ((_LOW, _HIGH), (_HIGH, _HIGH)),
)
"""From and to, in the order that the public environment has them: contacts are solved in that order."""
NEAR, TURNED = 20.0, np.pi / 9
"""Pixels over disc and block together, and radians, within which a goal counts as reached."""


class PushTable:
    """One disc, one block."""

    def __init__(self, state: FloatArray) -> None:
        space = pymunk.Space()
        space.damping = 0.0
        for one, other in _WALLS:
            space.add(pymunk.Segment(space.static_body, one, other, 2))
        self._disc = pymunk.Body(body_type=pymunk.Body.KINEMATIC)
        space.add(self._disc, pymunk.Circle(self._disc, RADIUS))
        bar = [(-60.0, 30.0), (60.0, 30.0), (60.0, 0.0), (-60.0, 0.0)]
        stem = [(-15.0, 30.0), (-15.0, 120.0), (15.0, 120.0), (15.0, 30.0)]
        self._block = pymunk.Body(1, 2 * pymunk.moment_for_poly(1, bar))
        shapes = [pymunk.Poly(self._block, each) for each in (bar, stem)]
        self._block.center_of_gravity = (0.0, MIDDLE)
        space.add(self._block, *shapes)
        self._space = space
        self._disc.velocity = (float(state[5]), float(state[6]))
        self._disc.position = (float(state[0]), float(state[1]))
        self._block.angle = float(state[4])
        self._block.position = (float(state[2]), float(state[3]))
        space.step(_DT)

    @property
    def state(self) -> FloatArray:
        """(7,)"""
        disc, block = self._disc, self._block
        return np.array(
            [*disc.position, *block.position, block.angle % (2 * np.pi), *disc.velocity], np.float32
        )

    def step(self, action: FloatArray) -> None:
        """A tenth of a second towards ``action`` (2,), -1..1."""
        x, y = self._disc.position
        to_x, to_y = x + float(action[0]) * REACH, y + float(action[1]) * REACH
        along, down = self._disc.velocity
        for _ in range(_SUBSTEPS):  # nothing stops the disc: its way needs no physics
            along += (_STIFF * (to_x - x) - _DAMP * along) * _DT
            down += (_STIFF * (to_y - y) - _DAMP * down) * _DT
            self._disc.velocity = (along, down)
            self._space.step(_DT)
            x, y = x + along * _DT, y + down * _DT


def turn(one: FloatArray, other: FloatArray) -> FloatArray:
    """The angle from ``other`` to ``one``, -pi..pi."""
    return np.asarray((one - other + np.pi) % (2 * np.pi) - np.pi)


def reached(state: FloatArray, goal: FloatArray) -> npt.NDArray[np.bool_]:
    """(B,) whether the goals (B, 7) are reached, however fast."""
    near = np.linalg.norm(state[:, :4] - goal[:, :4], axis=1) < NEAR
    return np.asarray(near & (np.abs(turn(state[:, 4], goal[:, 4])) < TURNED))


def displaced(state: FloatArray, goal: FloatArray) -> npt.NDArray[np.bool_]:
    """(B,) whether the block itself is away from where the goal has it."""
    away = np.linalg.norm(state[:, 2:4] - goal[:, 2:4], axis=1) >= NEAR
    return np.asarray(away | (np.abs(turn(state[:, 4], goal[:, 4])) >= TURNED))


class SimulatedTable:
    """The disc as a robot whose action is where to go, seen by a camera above."""

    ENVELOPE = Envelope(
        limits={axis: Limit(RADIUS, SIZE - RADIUS, 10 * REACH) for axis in ("x", "y")},
        rate_hz=10.0,
        forces={},
        silence_s=1.0,
    )
    action_features: Mapping[str, type] = {"x": float, "y": float}

    def __init__(self, state: FloatArray) -> None:
        self.table = PushTable(state)
        self.is_connected = False

    def connect(self) -> None:
        """It is there at once."""
        self.is_connected = True

    def get_observation(self) -> Mapping[str, Any]:
        """Where the disc is, and the picture."""
        state = self.table.state
        return {"x": float(state[0]), "y": float(state[1]), "camera": draw(state[None])[0]}

    def send_action(self, action: Mapping[str, float]) -> Mapping[str, Any]:
        """A tenth of a second towards a place."""
        to = np.array([action["x"], action["y"]], np.float32)
        self.table.step((to - self.table.state[:2]) / REACH)
        return dict(action)

    def disconnect(self) -> None:
        """It is gone at once."""
        self.is_connected = False


def simulated() -> tuple[SimulatedTable, Envelope]:
    """For `jepa vision reach --robot`: the disc in one corner, the block near the middle."""
    at = np.array([100, 400, 256, 230, np.pi / 4, 0, 0], np.float32)
    return SimulatedTable(at), SimulatedTable.ENVELOPE
