# SPDX-License-Identifier: Apache-2.0
"""A simulated arm: it turns, bends in shoulder and elbow, and grips; a block lies on a table before it.

Commanded by the pose of its hand, as DROID's arms are: place, turn and gripper, seven numbers. It is for
trying out planners and for tests of what must hold around any robot, and looks like no arm that a model was
trained on.
"""

import itertools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from jepa.robots.envelope import Envelope, Limit
from jepa.vision.clip import FloatArray
from jepa.vision.picture import ByteArray

HEIGHT, UPPER, FORE = 0.33, 0.45, 0.45
"""Of the shoulder above the table, and the lengths of both links, in metres."""
FLOOR = 0.02
"""The hand's middle comes no lower: there it stands on the table."""
_STIFFNESS = 2000.0
"""Newtons for each metre that it wants to be below that."""
_NEAR, _CLOSED = 0.04, 0.5
"""The block is gripped from so near, by a gripper closed further than that."""
_NAMES = ("x", "y", "z", "roll", "pitch", "yaw", "gripper")
_HOME = (0.4, 0.0, 0.3, math.pi, 0.0, 0.0, 0.0)
_TURN = Limit(-math.pi, math.pi, 1.0)

SIZE = 224
_TABLE, _WALL, _LINK, _HAND, _BLOCK = (
    np.array(colour, np.uint8)
    for colour in ((170, 140, 110), (225, 230, 235), (60, 70, 90), (20, 20, 20), (220, 60, 40))
)
_HORIZON = 96
_ROWS, _COLUMNS = np.mgrid[:SIZE, :SIZE].astype(np.float32)


def joints(place: FloatArray) -> tuple[float, float, float]:
    """Turn of the base, angle of the upper link above the horizon, and bend of the elbow, in radians.

    For a hand at ``place`` (3,), or as near to it as the links reach.
    """
    x, y, z = (float(each) for each in place)
    out, up = math.hypot(x, y), z - HEIGHT
    far = math.hypot(out, up)
    bend = math.acos(min(max((far**2 - UPPER**2 - FORE**2) / (2 * UPPER * FORE), -1), 1))
    lift = math.atan2(up, out) + math.atan2(FORE * math.sin(bend), UPPER + FORE * math.cos(bend))
    return math.atan2(y, x), lift, -bend


def links(turn: float, lift: float, bend: float) -> FloatArray:
    """(3, 3) where shoulder, elbow and hand are."""
    away = np.array([math.cos(turn), math.sin(turn), 0])
    up = np.array([0, 0, 1.0])
    shoulder = HEIGHT * up
    elbow = shoulder + UPPER * (math.cos(lift) * away + math.sin(lift) * up)
    hand = elbow + FORE * (math.cos(lift + bend) * away + math.sin(lift + bend) * up)
    return np.asarray(np.stack([shoulder, elbow, hand]))


def draw(hand: FloatArray, gripper: float, block: FloatArray) -> ByteArray:
    """(H, W, 3) what a camera in front of and above the table sees; places (3,) in metres."""
    picture = np.empty((SIZE, SIZE, 3), np.uint8)
    picture[:_HORIZON], picture[_HORIZON:] = _WALL, _TABLE
    base = np.zeros(3)
    points = [_seen(each) for each in (base, *links(*joints(hand)))]
    across, down = _seen(block)
    picture[(abs(_COLUMNS - across) < 7) & (abs(_ROWS - down) < 7)] = _BLOCK
    for (one, other), width in zip(itertools.pairwise(points), (9, 7, 5), strict=True):
        picture[_apart(one, other) < width] = _LINK
    tip = points[-1]
    for side in (-1, 1):
        finger = tip + np.array([side * (3 + 7 * (1 - gripper)), 4], np.float32)
        picture[_apart(finger, finger + np.array([0, 8], np.float32)) < 2.5] = _HAND
    return picture


def _seen(place: FloatArray) -> FloatArray:
    """(2,) column and row of a place: what is nearer to the camera lies lower."""
    x, y, z = place
    return np.array([SIZE / 2 + 240 * y, 110 + 130 * x - 150 * z], np.float32)


def _apart(one: FloatArray, other: FloatArray) -> FloatArray:
    """(H, W) pixels from the line between two points (2,)."""
    along = other - one
    share = ((_COLUMNS - one[0]) * along[0] + (_ROWS - one[1]) * along[1]) / max(float(along @ along), 1e-6)
    share = np.clip(share, 0, 1)
    return np.asarray(np.hypot(_COLUMNS - one[0] - share * along[0], _ROWS - one[1] - share * along[1]))


class SimulatedArm:
    """One arm as a robot whose action is where its hand is to be, seen by a camera."""

    ENVELOPE = Envelope(
        limits={
            "x": Limit(0.2, 0.65, 0.3),
            "y": Limit(-0.35, 0.35, 0.3),
            "z": Limit(0.0, 0.6, 0.3),
            "roll": _TURN,
            "pitch": _TURN,
            "yaw": _TURN,
            "gripper": Limit(0.0, 1.0, 3.0),
        },
        rate_hz=4.0,
        forces={"force": 15.0},
        silence_s=1.0,
    )
    """Four actions a second, as V-JEPA 2-AC was trained on; forces in newtons."""
    action_features: Mapping[str, type] = dict.fromkeys(_NAMES, float)

    def __init__(self, seed: int | None = None) -> None:
        rng = np.random.default_rng(seed)
        self._pose = np.array(_HOME)
        self._block = np.array([rng.uniform(0.3, 0.6), rng.uniform(-0.3, 0.3), FLOOR])
        self._force = 0.0
        self.is_connected = False

    def connect(self) -> None:
        """It is there at once."""
        self.is_connected = True

    def get_observation(self) -> Mapping[str, Any]:
        """The hand's numbers by name, the force on it, and the picture."""
        numbers = dict(zip(_NAMES, self._pose.tolist(), strict=True))
        camera = draw(self._pose[:3], numbers["gripper"], self._block)
        return {**numbers, "force": self._force, "camera": camera}

    def send_action(self, action: Mapping[str, float]) -> Mapping[str, Any]:
        """The hand goes there, as far as links and table allow, and a block that it grips with it."""
        wanted = np.array([action[name] for name in _NAMES])
        holds = self._pose[-1] > _CLOSED and np.linalg.norm(self._block - self._pose[:3]) < _NEAR
        after = wanted.copy()
        after[:3] = links(*joints(wanted[:3]))[-1]
        self._force = _STIFFNESS * max(FLOOR - after[2], 0.0)
        after[2] = max(after[2], FLOOR)
        after[-1] = min(max(after[-1], 0.0), 1.0)
        self._pose = after
        if holds:
            self._block = after[:3].copy()
            if after[-1] <= _CLOSED:
                self._block[2] = FLOOR  # it falls
        return dict(action)

    def disconnect(self) -> None:
        """It is gone at once."""
        self.is_connected = False
