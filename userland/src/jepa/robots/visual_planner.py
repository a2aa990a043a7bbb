# SPDX-License-Identifier: Apache-2.0
"""Plans towards a goal picture with a robot pack: of imagined action sequences the one that ends nearest.

The first sequences are what the pack would do by itself, with noise; the others are drawn around the best so
far (cross-entropy method). The energy of a sequence is the distance to the goal, in steps, over all of its
moments: nearer at the end is good, nearer sooner is better.
"""

import time
from pathlib import Path

import numpy as np

from jepa.errors import JepaError
from jepa.packs.pack import read_manifest, verify_pack
from jepa.packs.robot import RobotManifest
from jepa.robots.planner import ActionSequence, RobotState
from jepa.vision.clip import FloatArray, Framer
from jepa.vision.picture import ByteArray
from jepa.world.sessions import open_session

_NOISE = 0.5
_LEAST_NOISE = 0.1
_ELITES = 8
_END = 0.5
"""How much the last moment's distance counts beside the mean of all."""
REACHED = 2.5
"""Steps left at which the goal counts as reached."""


class VisualPlanner:
    """One robot pack at work. Not for use by two threads at once."""

    unit = "steps"

    def __init__(self, folder: Path, manifest: RobotManifest) -> None:
        self.manifest = manifest
        self._framer = Framer(manifest.clip)
        self._encode, self._imagine, self._propose = (
            open_session((folder / manifest.graphs[name].file).read_bytes(), f"{manifest.name}/{name}")
            for name in ("encode", "imagine", "propose")
        )

    @classmethod
    def load(cls, folder: Path) -> "VisualPlanner":
        """The pack in ``folder``; JepaError when it is none for robots, or not whole."""
        manifest = read_manifest(folder)
        if not isinstance(manifest, RobotManifest):
            raise JepaError(f"The pack {folder} is for {manifest.kind}.", "Name a robot pack.")
        verify_pack(folder)
        return cls(folder, manifest)

    @property
    def name(self) -> str:
        """The pack's."""
        return self.manifest.name

    @property
    def numbers(self) -> int:
        """In an action of one period."""
        return self.manifest.actions // self.manifest.periods

    def see(self, rgb: ByteArray) -> FloatArray:
        """A picture (H, W, 3) to its latent (D,)."""
        return np.asarray(self._encode.run(None, {"picture": self._framer(rgb)[None]})[0][0])

    def distance(self, latent: FloatArray, goal: FloatArray) -> float:
        """Steps from ``latent`` to ``goal`` (D,), as the model sees it."""
        of = self.manifest
        still = np.zeros((of.candidates, of.steps, of.actions), np.float32)
        inputs = {"latent": latent[None], "goal": goal[None], "actions": still}
        return float(self._imagine.run(None, inputs)[0][0, 0]) * of.farthest

    def plan(
        self,
        latent: FloatArray,
        goal: FloatArray,
        state: RobotState,
        rng: np.random.Generator,
        iterations: int = 3,
    ) -> ActionSequence:
        """The best sequence from ``latent`` to ``goal``, (D,) both, after ``iterations`` of CEM.

        The pack's actions, -1..1, are shares of what each number may move.
        """
        start = time.perf_counter()
        of = self.manifest
        shape = (of.candidates, of.steps, of.actions)
        noise = rng.normal(0, _NOISE, shape).astype(np.float32)
        noise[0] = 0
        ends = {"latent": latent[None], "goal": goal[None]}
        actions, distances = self._propose.run(None, {**ends, "noise": noise})
        energies = _energies(distances)
        for _ in range(iterations - 1):
            elite = np.argsort(energies)[:_ELITES]
            middle, spread = actions[elite].mean(0), actions[elite].std(0)
            drawn = rng.normal(middle, np.maximum(spread, _LEAST_NOISE), shape)
            drawn[0] = actions[elite[0]]  # the best so far is never lost
            actions = np.clip(drawn, -1, 1).astype(np.float32)
            distances = self._imagine.run(None, {**ends, "actions": actions})[0]
            energies = _energies(distances)
        best = int(energies.argmin())
        took_ms = (time.perf_counter() - start) * 1e3
        moves = actions[best].reshape(-1, self.numbers) * state.reach
        return ActionSequence(moves, distances[best] * of.farthest, took_ms)

    def reached(self, left: float, sequence: ActionSequence) -> bool:
        """So few steps are left that it counts."""
        return left < REACHED


def _energies(distances: FloatArray) -> FloatArray:
    """(K, S) -> (K,)"""
    return np.asarray(distances.mean(axis=1) + _END * distances[:, -1])
