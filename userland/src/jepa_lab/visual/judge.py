# SPDX-License-Identifier: Apache-2.0
"""How often goals that are pictures are reached: the planner beside others, on the same seeded episodes."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from jepa.robots.planner import RobotState
from jepa.robots.visual_planner import VisualPlanner
from jepa.vision.clip import FloatArray, Framer
from jepa.vision.picture import ByteArray
from jepa_lab.visual.environment import Environment
from jepa_lab.visual.model import VisualModel
from jepa_lab.visual.train import clip_of

OFFSET, BUDGET = 25, 50
"""The goal is what an expert's walk showed so many steps on, and there are so many to reach it: the
protocol of stable-worldmodel's evaluations."""
_SEED = 90_001

Policy = Callable[[ByteArray, ByteArray], FloatArray]
"""A picture of now and one of the goal, (H, W, 3) each, to an action (A,); its first step is taken."""


@dataclass(frozen=True, slots=True)
class Episodes:
    """Where each begins, and where it is to end; (N, S) states."""

    start: FloatArray
    goal: FloatArray

    @classmethod
    def seeded(cls, environment: Environment, count: int, seed: int = _SEED) -> "Episodes":
        """Cut from walks that were never trained on; none is reached before it begins."""
        rng = np.random.default_rng(seed)
        starts: list[FloatArray] = []
        goals: list[FloatArray] = []
        while sum(map(len, starts)) < count:
            walks = environment.expert(rng, count, 4 * OFFSET)
            at = rng.integers(0, 3 * OFFSET, count)
            rows = np.arange(count)
            one, other = walks.at[rows, at], walks.at[rows, at + OFFSET]
            apart = ~environment.reached(one, other)
            starts.append(one[apart])
            goals.append(other[apart])
        return cls(np.concatenate(starts)[:count], np.concatenate(goals)[:count])


def success(
    environment: Environment, policy: Policy, episodes: Episodes
) -> "np.ndarray[Any, np.dtype[np.bool_]]":
    """(N,) whether the goal of each was reached within the budget."""
    done = np.zeros(len(episodes.start), np.bool_)
    for number, (start, goal) in enumerate(zip(episodes.start, episodes.goal, strict=True)):
        world = environment.begin(start)
        picture = environment.draw(goal[None])[0]
        for _ in range(BUDGET):
            action = policy(environment.draw(world.state[None])[0], picture)
            world.step(action[: environment.numbers])
            if environment.reached(world.state[None], goal[None])[0]:
                done[number] = True
                break
    return done


def planning(planner: VisualPlanner, seed: int, took: list[float]) -> Policy:
    """Sees, plans and does the first of it; ``took`` gains the milliseconds of all three."""
    rng = np.random.default_rng(seed)
    whole = np.ones(planner.numbers, np.float32)

    def policy(now: ByteArray, goal: ByteArray) -> FloatArray:
        start = time.perf_counter()
        sequence = planner.plan(planner.see(now), planner.see(goal), RobotState(0 * whole, whole), rng)
        took.append((time.perf_counter() - start) * 1e3)
        return np.asarray(sequence.moves[0])

    return policy


def cloning(model: VisualModel) -> Policy:
    """What the model says to do first, and no imagination."""
    framer = Framer(clip_of(model.config))

    def policy(now: ByteArray, goal: ByteArray) -> FloatArray:
        with torch.inference_mode():
            both = model.encoder(torch.from_numpy(np.stack([framer(now), framer(goal)])))
            return np.asarray(model.propose(both[:1], both[1:])[0].numpy())

    return policy


def random_policy(seed: int, numbers: int) -> Policy:
    """Anything."""
    rng = np.random.default_rng(seed)
    return lambda _, __: rng.uniform(-1, 1, numbers).astype(np.float32)


def lower(successes: int, count: int) -> float:
    """The lower end of Wilson's 95 % interval."""
    z, share = 1.96, successes / count
    middle = share + z * z / (2 * count)
    return (middle - z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))) / (
        1 + z * z / count
    )


def judge(
    environment: Environment, planner: VisualPlanner, others: dict[str, Policy], count: int
) -> dict[str, Any]:
    """The contract's results of one environment."""
    episodes = Episodes.seeded(environment, count)
    hard = environment.is_hard(episodes.start, episodes.goal)
    took: list[float] = []
    policies = {"planner": planning(planner, 1, took), **others}
    rows: dict[str, Any] = {}
    for name, policy in policies.items():
        done = success(environment, policy, episodes)
        rows[name] = {
            "success_rate": float(done.mean()),
            "success_rate_lower": lower(int(done.sum()), count),
            "hard": float(done[hard].mean()) if hard.any() else None,
        }
    ours = rows.pop("planner")
    return {
        "environment": environment.title,
        "protocol": f"goal {OFFSET} steps on in an expert's walk, {BUDGET} steps to reach it",
        "episodes": count,
        "episodes_hard": int(hard.sum()),
        "hard_means": environment.hard,
        **ours,
        "plan_ms": {"p50": float(np.percentile(took, 50)), "p99": float(np.percentile(took, 99))},
        "baselines": rows,
    }
