# SPDX-License-Identifier: Apache-2.0
"""Towards a goal that is a picture with V-JEPA 2-AC: an arm's hand, moved where the model imagines the goal.

The cross-entropy method as its authors have it (Assran et al., 2025, section 4; facebookresearch/vjepa2,
notebooks/utils/mpc_utils.py): moves of the hand and the gripper are drawn, the predictor gives the latent
that follows each, and the energy of a sequence is the mean distance (L1) of its last latent to the goal's.
Latents are normed, and the hand's pose is the sum of the moves. Rotations are not searched.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from jepa.errors import JepaError
from jepa.robots.planner import ActionSequence, RobotState
from jepa.vision.clip import FloatArray, Framer
from jepa.vision.model import VisionModel
from jepa.vision.picture import ByteArray

NUMBERS = 7
"""Of a pose, as in DROID: x, y, z (metres), roll, pitch, yaw (radians), gripper (0 open, 1 closed)."""
_SEARCHED = [0, 1, 2, 6]
_GRIPPER = 6
_EPSILON = 1e-5
"""Of the norm of latents, as in PyTorch's layer_norm."""


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """Of the cross-entropy method (CEM).

    Samples, iterations and elites are those of the paper; the rest those of the authors' code.
    """

    samples: int = 800
    iterations: int = 10
    elites: int = 10
    farthest_m: float = 0.05
    """The hand moves so far at most along each axis."""
    gripper: float = 0.75
    """And the gripper so far."""
    slightest_grip: float = 0.25
    """A smaller move of the gripper is none."""
    momentum: float = 0.15
    """Of the middle and the spread that samples are drawn from."""
    seconds: float | None = None
    """Then no more is imagined, once there are elites to go by; None has no end."""

    def __post_init__(self) -> None:
        if not 1 < self.elites <= self.samples or self.iterations < 1:
            raise JepaError(
                f"{self.samples} samples and {self.iterations} iterations are too few for "
                f"{self.elites} elites.",
                "Give --samples and --iterations more.",
            )


class ActionPredictor(Protocol):
    """What the planner needs of a model: its pack's, or another that says the same."""

    def __call__(self, tokens: FloatArray, actions: FloatArray, states: FloatArray) -> FloatArray:
        """Tokens (B, S * N, D) of S moments, actions and states (B, S, A), to those one moment later."""


@dataclass(frozen=True, slots=True)
class SequenceEnergies:
    """A model that imagines ``candidates`` sequences of ``horizon`` moves at once."""

    imagine: ActionPredictor
    candidates: int
    horizon: int

    def energies(
        self, latent: FloatArray, goal: FloatArray, pose: FloatArray, moves: FloatArray
    ) -> FloatArray:
        """(K, S) distances to ``goal`` after each of the ``moves`` (K, S, A), K at most ``candidates``.

        ``latent`` and ``goal`` (N, D) are normed; ``pose`` (A,).
        """
        count, steps, numbers = moves.shape
        tokens = np.zeros((self.candidates, steps, *latent.shape), np.float32)
        states = np.zeros((self.candidates, steps, numbers), np.float32)
        actions = np.zeros_like(states)
        tokens[:, 0], states[:, 0], actions[:count] = latent, pose, moves
        distances = np.zeros((count, steps), np.float32)
        for step in range(steps):
            # What comes later than a moment does not reach it, so what stands there as yet is no matter.
            flat = tokens.reshape(self.candidates, -1, latent.shape[-1])
            following = normed(self.imagine(flat, actions, states).reshape(tokens.shape)[:, step])
            distances[:, step] = np.abs(following[:count] - goal).mean((1, 2))
            if step + 1 < steps:
                tokens[:, step + 1] = following
                states[:, step + 1] = moved(states[:, step], actions[:, step])
        return distances


def search(
    imagined: SequenceEnergies,
    ends: tuple[FloatArray, FloatArray],
    state: RobotState,
    how: SearchSettings,
    rng: np.random.Generator,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[FloatArray, FloatArray]:
    """From the latent to the goal in ``ends``: the moves (S, A), and the energy after each.

    The moves are none when staying is imagined to end as near.
    """
    latent, goal = ends
    over = _deadline(how.seconds, clock)
    most = np.minimum(np.array([*3 * [how.farthest_m], how.gripper]), state.reach[_SEARCHED])
    shape = (how.samples, imagined.horizon, len(_SEARCHED))
    middle = np.zeros(shape[1:])
    spread = np.tile([*most[:3], 1.0], (imagined.horizon, 1))
    for number in range(how.iterations):
        if number and over():
            break
        drawn = np.clip(rng.normal(size=shape) * spread + middle, -most, most)
        energies: list[float] = []
        for start in range(0, how.samples, imagined.candidates):
            if start >= how.elites and over():
                break
            some = _whole(drawn[start : start + imagined.candidates])
            energies += imagined.energies(latent, goal, state.at, some)[:, -1].tolist()
        elite = drawn[np.argsort(energies, kind="stable")[: how.elites]]
        middle = how.momentum * middle + (1 - how.momentum) * elite.mean(0)
        spread = how.momentum * spread + (1 - how.momentum) * elite.std(0, ddof=1)
    middle[np.abs(middle[:, -1]) < how.slightest_grip, -1] = 0
    moves = _whole(middle[None])
    best, stay = (
        (each[0], imagined.energies(latent, goal, state.at, each)[0]) for each in (moves, 0 * moves)
    )
    return best if best[1][-1] < stay[1][-1] else stay


def _deadline(seconds: float | None, clock: Callable[[], float]) -> Callable[[], bool]:
    end = None if seconds is None else clock() + seconds
    return lambda: end is not None and clock() >= end


def _whole(searched: FloatArray) -> FloatArray:
    """(K, S, 4) -> (K, S, 7): rotations are none."""
    moves = np.zeros((*searched.shape[:2], NUMBERS), np.float32)
    moves[..., _SEARCHED] = searched
    return moves


def moved(poses: FloatArray, moves: FloatArray) -> FloatArray:
    """Poses (B, 7) after moves (B, 7) that do not rotate."""
    after = poses + moves
    after[:, _GRIPPER] = np.clip(after[:, _GRIPPER], 0, 1)
    return np.asarray(after)


def normed(tokens: FloatArray) -> FloatArray:
    """Tokens (..., D), each with mean 0 and deviation 1."""
    middle, spread = tokens.mean(-1, keepdims=True), tokens.var(-1, keepdims=True)
    return np.asarray((tokens - middle) / np.sqrt(spread + _EPSILON), np.float32)


class ActionConditionedPlanner:
    """A V-JEPA 2-AC pack at work. Not for use by two threads at once."""

    unit = "energy"
    """Of distances: mean L1 of normed latents; two that have nothing in common are about 1.1 apart."""

    def __init__(self, model: VisionModel, how: SearchSettings) -> None:
        """JepaError when the pack is none for this, or its graphs would not fit into memory."""
        of = model.manifest
        if of.actions != NUMBERS:
            raise JepaError(
                f"{of.name} has no predictor of what an arm does.",
                "Build one from an action-conditioned checkpoint.",
            )
        if of.tokens.time != 1:
            raise JepaError(
                f"{of.name} sees {of.clip.frames} frames at once, and planning takes a picture at a time.",
                f"Build it with --frames {of.clip.frames // of.tokens.time}.",
            )
        model.refuse_if_too_large("encoder", "predictor_ac")
        self._model, self._how = model, how
        self._framer = Framer(of.clip)
        self._imagined = SequenceEnergies(model.follow, of.candidates, of.horizon)

    @property
    def name(self) -> str:
        """The pack's."""
        return self._model.manifest.name

    @property
    def numbers(self) -> int:
        """In an action."""
        return NUMBERS

    def see(self, rgb: ByteArray) -> FloatArray:
        """A picture (H, W, 3), as if it stood still, to its normed tokens (N, D)."""
        frame = self._framer(rgb)
        return normed(self._model.encode([frame] * self._model.manifest.clip.frames)[0])

    def distance(self, latent: FloatArray, goal: FloatArray) -> float:
        """Energy between two latents (N, D)."""
        return float(np.abs(latent - goal).mean())

    def plan(
        self, latent: FloatArray, goal: FloatArray, state: RobotState, rng: np.random.Generator
    ) -> ActionSequence:
        """The moves that the search ends with."""
        start = time.perf_counter()
        moves, energies = search(self._imagined, (latent, goal), state, self._how, rng)
        return ActionSequence(moves, energies, (time.perf_counter() - start) * 1e3)

    def reached(self, left: float, sequence: ActionSequence) -> bool:
        """When staying ends as near as the best sequence: the authors say of no energy that it is enough."""
        return not sequence.moves.any()
