# SPDX-License-Identifier: Apache-2.0
"""Those who push the T about, to learn from: some with a place in mind for it, some with none.

The first knows what a push at each point of the edge does (the block moves only while it is pushed, and
nothing rubs, so a push along the edge's normal moves and turns it by its mass and inertia), goes round to
the best point, pushes for a while, and thinks again. All are noisy.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from jepa.packs.vision import Clip
from jepa.vision.clip import FloatArray
from jepa.vision.picture import ByteArray
from jepa_lab.visual import push_t
from jepa_lab.visual.environment import Walks
from jepa_lab.visual.push_t import GYRATION, PACE, STATE, PushTable, turn
from jepa_lab.visual.push_t_picture import (
    MIDDLE,
    RADIUS,
    SIZE,
    Painter,
    draw,
    inside,
    middle_of,
    outside_block,
)

_CLEAR = 12.0
"""Pixels between disc and block on the way round it."""
_ROUND = 80.0 + RADIUS + _CLEAR
"""From the block's middle, where the way round it is free everywhere."""
_LIMIT = 30.0
"""The disc keeps so far from the table's edge."""


@dataclass(frozen=True, slots=True)
class _Edge:
    """Points where the disc can touch the T, in its frame about its middle."""

    at: FloatArray
    """(M, 2)"""
    normal: FloatArray
    """(M, 2), outwards."""


def _edge() -> _Edge:
    corners = np.array(
        [(-60, 0), (60, 0), (60, 30), (15, 30), (15, 120), (-15, 120), (-15, 30), (-60, 30)], np.float32
    )
    at, normal = [], []
    for one, other in zip(corners, np.roll(corners, -1, 0), strict=True):
        way = other - one
        outwards = np.array([way[1], -way[0]]) / np.linalg.norm(way)
        for share in np.linspace(0.08, 0.92, max(3, int(np.linalg.norm(way) / 8))):
            point = one + share * way
            x, y = point + outwards * RADIUS
            if outside_block(x, y) > RADIUS - 0.5:  # not in the corners between bar and stem
                at.append(point - (0, MIDDLE))
                normal.append(outwards)
    return _Edge(np.array(at, np.float32), np.array(normal, np.float32))


_EDGE = _edge()
_TWIST = np.concatenate(
    [
        -_EDGE.normal,
        (_EDGE.at[:, 1] * _EDGE.normal[:, 0] - _EDGE.at[:, 0] * _EDGE.normal[:, 1])[:, None] / GYRATION,
    ],
    1,
)
"""(M, 3): what a push there does to the block in its own frame, x, y, and how far it turns in pixels."""
_TWIST /= np.linalg.norm(_TWIST, axis=1, keepdims=True)


def _turned(vector: FloatArray, angle: FloatArray) -> FloatArray:
    """(N, 2) by (N,) radians."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack([cos * vector[:, 0] - sin * vector[:, 1], sin * vector[:, 0] + cos * vector[:, 1]], 1)


class Pushers:
    """``count`` of them, each with a place in mind for its block."""

    def __init__(self, rng: np.random.Generator, count: int) -> None:
        self._rng, self._count = rng, count
        self._goal = np.zeros((count, 3), np.float32)
        """Of the block: its middle, and the angle."""
        self._point = np.zeros(count, np.int64)
        self._left = np.zeros(count, np.int64)
        """Steps until it thinks again, once it pushes."""
        self._patience = np.zeros(count, np.int64)
        """Steps until it wants something else."""
        self._pushing = np.zeros(count, np.bool_)
        self._speed = np.zeros(count, np.float32)
        self._noise = np.zeros((count, 2), np.float32)

    def act(self, state: FloatArray) -> FloatArray:
        """States (N, 7) to actions (N, 2)."""
        rng, middle, angle = self._rng, middle_of(state), state[:, 4]
        error = self.missing(state)
        self._patience -= 1
        done = (np.linalg.norm(error, axis=1) < 15) | (self._patience <= 0)
        if done.any():
            self._wish(done, middle, angle)
            error = self.missing(state)
        self._left -= self._pushing
        again = done | (self._pushing & (self._left <= 0))
        if again.any():
            self._choose(again, state, middle, error)
        at, normal = (_turned(each[self._point], angle) for each in (_EDGE.at, _EDGE.normal))
        touch = middle + at + normal * RADIUS
        stand = touch + normal * _CLEAR
        disc = state[:, :2]
        # It has arrived, or is on the line along which it pushes, between where it stands and the edge.
        off = disc - touch
        along = (off * normal).sum(1)
        aside = np.abs(off[:, 0] * normal[:, 1] - off[:, 1] * normal[:, 0])
        self._pushing |= (along < _CLEAR + 8) & (along > -4) & (aside < 9)
        lost = self._pushing & (aside > 25)
        self._pushing &= ~lost
        aim = np.where(self._pushing[:, None], touch - normal * 60, self._way(disc, middle, stand))
        way = aim - disc
        far = np.linalg.norm(way, axis=1, keepdims=True)
        pace = np.where(self._pushing, self._speed, self._speed * 1.3)[:, None]
        action = way / np.maximum(far, 1e-3) * np.minimum(pace, far / PACE)
        self._noise = (0.8 * self._noise + 0.1 * rng.normal(size=(self._count, 2))).astype(np.float32)
        return np.asarray(action + self._noise, np.float32)

    def missing(self, state: FloatArray) -> FloatArray:
        """States (N, 7) to (N, 3): how far from their places the blocks are, in pixels of their frames."""
        angle = state[:, 4]
        away = _turned(self._goal[:, :2] - middle_of(state), -angle)
        return np.concatenate([away, (turn(self._goal[:, 2], angle) * GYRATION)[:, None]], 1)

    def _wish(self, who: FloatArray, middle: FloatArray, angle: FloatArray) -> None:
        rng, count = self._rng, int(who.sum())
        near = middle[who] + rng.normal(0, 90, (count, 2))
        self._goal[who, :2] = np.clip(near, 110, SIZE - 110)
        self._goal[who, 2] = angle[who] + rng.normal(0, 1.0, count)
        self._patience[who] = rng.integers(50, 150, count)

    def _choose(self, who: FloatArray, state: FloatArray, middle: FloatArray, error: FloatArray) -> None:
        rng, count = self._rng, int(who.sum())
        fits = error[who] @ _TWIST.T  # (n, M): pixels of the error along each twist
        disc = inside(state[who, 0], state[who, 1], np.concatenate([middle, state[:, 4:5]], 1)[who])
        away = np.linalg.norm(np.stack(disc, 1)[:, None] - _EDGE.at - _EDGE.normal * RADIUS, axis=2)
        worth = fits / np.linalg.norm(error[who], axis=1, keepdims=True) - away / 700
        worth += rng.gumbel(size=worth.shape) * 0.06
        whim = rng.random(count) < 0.1
        best = np.where(whim, rng.integers(0, len(_EDGE.at), count), worth.argmax(1))
        self._point[who] = best
        self._pushing[who] = False
        self._speed[who] = rng.uniform(0.24, 0.8, count)
        missing = np.maximum(fits[np.arange(count), best], 10)
        gain = 0.75 * PACE * self._speed[who]
        self._left[who] = np.clip(missing / gain * rng.uniform(0.5, 1.2, count), 2, 20).astype(np.int64)

    def _way(self, disc: FloatArray, middle: FloatArray, stand: FloatArray) -> FloatArray:
        """(N, 2) where to go first: to where it stands, or round the block."""
        one, other = disc - middle, stand - middle
        at, to = (np.arctan2(each[:, 1], each[:, 0]) for each in (one, other))
        left = turn(to, at)
        radius = np.linalg.norm(one, axis=1)
        step = np.sign(left) * np.minimum(np.abs(left), 0.45)
        ahead = np.maximum(_ROUND, np.minimum(radius, 1.3 * _ROUND))
        arc = middle + ahead[:, None] * np.stack([np.cos(at + step), np.sin(at + step)], 1)
        return np.where((np.abs(left) < 0.3)[:, None], stand, np.clip(arc, _LIMIT, SIZE - _LIMIT))


class Wanderers:
    """``count`` who stay near the block, and hit it now and then."""

    def __init__(self, rng: np.random.Generator, count: int) -> None:
        self._rng, self._count = rng, count
        self._aim = np.zeros((count, 2), np.float32)
        self._left = np.zeros(count, np.int64)
        self._speed = np.zeros(count, np.float32)

    def act(self, state: FloatArray) -> FloatArray:
        """States (N, 7) to actions (N, 2)."""
        rng = self._rng
        new = self._left <= 0
        count = int(new.sum())
        self._aim[new] = middle_of(state)[new] + rng.uniform(-130, 130, (count, 2))
        self._left[new] = rng.integers(3, 16, count)
        self._speed[new] = rng.uniform(0.2, 1.0, count)
        self._left -= 1
        way = self._aim - state[:, :2]
        far = np.linalg.norm(way, axis=1, keepdims=True)
        return np.asarray(
            way / np.maximum(far, 1e-3) * np.minimum(self._speed[:, None], far / PACE)
            + 0.12 * rng.normal(size=(self._count, 2)),
            np.float32,
        )


def starts(rng: np.random.Generator, count: int) -> FloatArray:
    """(count, 7) states at rest, disc and block apart."""
    found = np.zeros((0, STATE), np.float32)
    while len(found) < count:
        disc = rng.uniform(50, 450, (count, 2))
        block = rng.uniform(100, 400, (count, 2))
        angle = rng.uniform(0, 2 * np.pi, (count, 1))
        each = np.concatenate([disc, block, angle, np.zeros((count, 2))], 1).astype(np.float32)
        pose = each[:, 2:5]
        apart = outside_block(*inside(each[:, 0], each[:, 1], pose)) > RADIUS + 2
        middle = middle_of(each)
        apart &= ((middle > 90) & (middle < SIZE - 90)).all(1)
        found = np.concatenate([found, each[apart]])
    return found[:count]


def push(rng: np.random.Generator, count: int, steps: int, wandering: float = 0.0) -> Walks:
    """Trajectories, of wanderers in that share."""
    at = [starts(rng, count)]
    tables = [PushTable(state) for state in at[0]]
    pushers, wanderers = Pushers(rng, count), Wanderers(rng, count)
    lost = rng.random(count) < wandering
    actions = []
    for _ in range(steps):
        now = at[-1]
        wanted = np.where(lost[:, None], wanderers.act(now), pushers.act(now))
        # The disc passes through walls, as the public one does; nobody here wants it to.
        kept = np.clip(now[:, :2] + wanted * PACE, _LIMIT, SIZE - _LIMIT) - now[:, :2]
        action = np.clip(kept / PACE, -1, 1).astype(np.float32)
        for table, each in zip(tables, action, strict=True):
            table.step(each)
        actions.append(action)
        at.append(np.stack([table.state for table in tables]))
    return Walks(np.stack(at, 1), np.stack(actions, 1))


class PushT:
    """Push-T as an environment to learn from; see `jepa_lab.visual.environment.Environment`."""

    name, title, hard, numbers = "push-t", "Push-T", "the block is elsewhere", 2

    def walk(self, rng: np.random.Generator, count: int, steps: int) -> Walks:
        """Those who know, and some who only wander."""
        return push(rng, count, steps, wandering=0.2)

    def expert(self, rng: np.random.Generator, count: int, steps: int) -> Walks:
        """Those who know, with their noise."""
        return push(rng, count, steps)

    def painter(self, clip: Clip, device: str = "cpu") -> Painter:
        """Of states (N, 7)."""
        return Painter(clip, device)

    def draw(self, state: FloatArray) -> ByteArray:
        """Of states (N, 7)."""
        return draw(state)

    def begin(self, state: FloatArray) -> PushTable:
        """With disc and block there, the disc as fast as it was."""
        return PushTable(state)

    def reached(self, state: FloatArray, goal: FloatArray) -> npt.NDArray[np.bool_]:
        """Disc and block within 20 pixels together, the block within 20 degrees."""
        return push_t.reached(state, goal)

    def is_hard(self, start: FloatArray, goal: FloatArray) -> npt.NDArray[np.bool_]:
        """The block has to be moved."""
        return push_t.displaced(start, goal)
