# SPDX-License-Identifier: Apache-2.0
"""Trains the visual world model on walks through TwoRoom, drawn as they are needed."""

import sys
import time
from dataclasses import asdict, dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from jepa.packs.vision import Clip
from jepa_lab.losses import effective_rank, sigreg, variance_covariance
from jepa_lab.visual.model import VisualConfig, VisualModel
from jepa_lab.visual.walks import Painter, Walks, walk

HALF = (0.5, 0.5, 0.5)


def clip_of(config: VisualConfig) -> Clip:
    """How a picture is made for the encoder: smaller, and each colour within -1..1."""
    return Clip(
        frames=1, channels=config.channels, resize=config.crop, crop=config.crop, mean=HALF, std=HALF
    )


@dataclass(frozen=True, slots=True)
class VisualTraining:
    """How to train."""

    seed: int = 1
    walks: int = 2_000
    length: int = 80
    """Steps of a walk."""
    steps: int = 3_000
    batch: int = 48
    """Walks in a batch, a stretch of each."""
    stretch: int = 8
    """Frames of each that follow one another."""
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    sigreg_weight: float = 0.02
    variance_weight: float = 1.0
    covariance_weight: float = 0.05
    inverse_weight: float = 1.0
    cloning: bool = False
    """Learn nothing but what to do first, encoder and all: behaviour cloning, to compare with."""


def train(config: VisualConfig, training: VisualTraining) -> tuple[VisualModel, dict[str, object]]:
    """The model, and what is worth remembering of its making."""
    torch.set_num_threads(1)
    torch.manual_seed(training.seed)
    torch.use_deterministic_algorithms(True)
    rng = np.random.default_rng(training.seed)
    generator = torch.Generator().manual_seed(training.seed)
    walks = walk(rng, training.walks, training.length)
    painter = Painter(clip_of(config))
    model = VisualModel(config)
    optimiser = torch.optim.AdamW(
        model.parameters(), training.learning_rate, weight_decay=training.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, training.learning_rate, training.steps, pct_start=0.05
    )
    start = time.monotonic()
    line: dict[str, float] = {}
    for number in range(training.steps):
        model.train()
        parts, z = losses(model, *_batch(rng, walks, painter, training, config), training, generator)
        optimiser.zero_grad()
        sum(parts.values(), torch.zeros(())).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if number % 100 == 0 or number == training.steps - 1:
            line = {name: round(part.item(), 4) for name, part in parts.items()}
            line["rank"] = round(effective_rank(z.detach()), 1)
            spent = time.monotonic() - start
            told = " ".join(f"{name} {value}" for name, value in line.items())
            print(f"\r{number}/{training.steps} {told} {spent:.0f} s   ", end="", file=sys.stderr)
    print(file=sys.stderr)
    model.eval()
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return model, {
        "config": asdict(config),
        "training": asdict(training),
        "parameters": parameters,
        "last": line,
    }


def losses(
    model: VisualModel,
    pictures: Tensor,
    actions: Tensor,
    far: tuple[Tensor, Tensor],
    training: VisualTraining,
    generator: torch.Generator,
) -> tuple[dict[str, Tensor], Tensor]:
    """Every loss with its weight applied, and the latents (N, D).

    pictures (B, T, 3, P, P), actions (B, T - 1, A); ``far``: goals (B, 3, P, P), and the steps to them from
    the stretch's first frame (B,).
    """
    goals, steps = far
    together = torch.cat([pictures.flatten(0, 1), goals])
    encoded = model.encoder(together)
    z = encoded[: -len(goals)].unflatten(0, pictures.shape[:2])  # (B, T, D)
    goal = encoded[-len(goals) :]
    ahead = z[:, 0]
    rolled = []
    for at in range(actions.shape[1]):  # each latent from the one imagined before it
        ahead = model.following(ahead, actions[:, at])
        rolled.append(ahead)
    one = model.following(z[:, :-1], actions)
    variance, covariance = variance_covariance(encoded)
    told = model.inverse(torch.cat([z[:, :-1], z[:, 1:]], -1))
    now, there = (z, goal) if training.cloning else (z.detach(), goal.detach())
    there = there[:, None].expand(-1, z.shape[1], -1)
    # Frames of the stretch lie on the way to the goal, each one step nearer than the one before.
    left = (steps[:, None] - torch.arange(z.shape[1])).clamp(min=0).float()
    on_way = (left > 0)[:, :-1, None].float()
    away = model.distance(now, there)
    hint = model.propose(now[:, :-1], there[:, :-1])
    back = model.distance(there, now)
    whole = model.config.farthest
    parts = {
        "next": F.mse_loss(one, z[:, 1:]),
        "rolled": F.mse_loss(torch.stack(rolled, 1), z[:, 1:]),
        "sigreg": training.sigreg_weight * sigreg(encoded, 64, generator),
        "variance": training.variance_weight * variance,
        "covariance": training.covariance_weight * covariance,
        "inverse": training.inverse_weight * F.mse_loss(told, actions),
        "apart": F.smooth_l1_loss(away, (left / whole).clamp(max=1), beta=0.02) * 10
        + F.smooth_l1_loss(back, (left / whole).clamp(max=1), beta=0.02) * 10,
        "first": ((hint - actions).square() * on_way).sum() / (2 * on_way.sum()).clamp(min=1),
    }
    return {"first": parts["first"]} if training.cloning else parts, encoded


def _batch(
    rng: np.random.Generator,
    walks: Walks,
    painter: Painter,
    training: VisualTraining,
    config: VisualConfig,
) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor]]:
    which = rng.integers(0, len(walks.at), training.batch)
    start = rng.integers(0, training.length - training.stretch, training.batch)
    span = start[:, None] + np.arange(training.stretch)
    at = walks.at[which[:, None], span]  # (B, T, 2)
    actions = torch.from_numpy(walks.action[which[:, None], span[:, :-1]])
    farthest = np.minimum(training.length - start, config.farthest)
    steps = (1 + rng.random(training.batch) * farthest).astype(np.int64).clip(1, farthest)
    goal = walks.at[which, start + steps]
    pictures = torch.from_numpy(painter(np.concatenate([at.reshape(-1, 2), goal])))
    shape = (*at.shape[:2], *pictures.shape[1:])
    return pictures[: -len(goal)].reshape(shape), actions, (pictures[-len(goal) :], torch.from_numpy(steps))
