# SPDX-License-Identifier: Apache-2.0
"""Trains the visual world model on walks through an environment, drawn as they are needed."""

import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from jepa.packs.vision import Clip
from jepa.vision.clip import FloatArray
from jepa_lab.losses import effective_rank
from jepa_lab.visual.environment import Environment, Walks
from jepa_lab.visual.losses import Stretches, Weights, first, losses
from jepa_lab.visual.model import VisualConfig, VisualModel

IntArray = npt.NDArray[np.int64]


def clip_of(config: VisualConfig) -> Clip:
    """How a picture is made for the encoder: smaller, and empty where it says so."""
    return Clip(
        frames=1,
        channels=config.channels,
        resize=config.crop,
        crop=config.crop,
        mean=(config.empty,) * config.channels,
        std=(config.contrast,) * config.channels,
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
    """Frames of each that follow one another, an action apart."""
    goals: int = 1
    """Later frames for each stretch, to be goals."""
    settling: int = 0
    """Steps after those, on latents of the encoder as it is then: many more in the same time."""
    settling_batch: int = 256
    settling_stretch: int = 6
    settling_rate: float = 1e-3
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    weights: Weights = field(default_factory=Weights)
    cloning: bool = False
    """Learn nothing but what to do first, encoder and all: behaviour cloning, to compare with."""


def train(
    environment: Environment, config: VisualConfig, training: VisualTraining
) -> tuple[VisualModel, dict[str, object]]:
    """The model, and what is worth remembering of its making."""
    torch.set_num_threads(1)
    torch.manual_seed(training.seed)
    torch.use_deterministic_algorithms(True)
    rng = np.random.default_rng(training.seed)
    generator = torch.Generator().manual_seed(training.seed)
    walks = environment.walk(rng, training.walks, training.length)
    painter = environment.painter(clip_of(config))
    model = VisualModel(config)

    def from_pictures() -> Learnt:
        model.train()
        drawn = _draw(rng, walks, training, config)
        of, pictures, encoded = _seen(model, drawn, walks, painter)
        if training.cloning:
            return {"first": first(model, of)}, encoded
        return losses(model, of, training.weights, (pictures, encoded, generator)), encoded

    line = _descend("", model, training, training.steps, from_pictures)
    model.eval()
    if training.settling:
        kept = _kept(model, walks, painter)
        settled = replace(
            training,
            batch=training.settling_batch,
            stretch=training.settling_stretch,
            learning_rate=training.settling_rate,
        )
        model.encoder.requires_grad_(False)

        def from_latents() -> Learnt:
            drawn = _draw(rng, walks, settled, config)
            z, goal = (kept[drawn.which[:, None], each] for each in (drawn.span, drawn.later))
            of = Stretches(z, drawn.actions, goal, drawn.steps)
            if training.cloning:
                return {"first": first(model, of)}, z
            return losses(model, of, training.weights), z

        line |= _descend("settling ", model, settled, training.settling, from_latents)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return model, {
        "config": asdict(config),
        "training": asdict(training),
        "parameters": parameters,
        "last": line,
    }


Learnt = tuple[dict[str, Tensor], Tensor]
"""Every loss, with its weight applied, and latents (..., D)."""


def _descend(
    told: str, model: VisualModel, training: VisualTraining, steps: int, learn: Callable[[], Learnt]
) -> dict[str, float]:
    """``steps`` of it; the last losses, and how many directions latents fill."""
    optimiser = torch.optim.AdamW(
        model.parameters(), training.learning_rate, weight_decay=training.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, training.learning_rate, steps, pct_start=0.05)
    start = time.monotonic()
    line: dict[str, float] = {}
    for number in range(steps):
        parts, z = learn()
        optimiser.zero_grad()
        sum(parts.values(), torch.zeros(())).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if number % 100 == 0 or number == steps - 1:
            line = {name: round(part.item(), 4) for name, part in parts.items()}
            line["rank"] = round(effective_rank(z.detach().flatten(0, -2)), 1)
            spent = time.monotonic() - start
            shown = " ".join(f"{name} {value}" for name, value in line.items())
            print(f"\r{told}{number}/{steps} {shown} {spent:.0f} s   ", end="", file=sys.stderr)
    print(file=sys.stderr)
    return line


@dataclass(frozen=True, slots=True)
class _Drawn:
    """Which frames a batch is of."""

    which: IntArray
    """(B,) walks."""
    span: IntArray
    """(B, T) frames of each."""
    later: IntArray
    """(B, G) frames that are goals."""
    actions: Tensor
    """(B, T - 1, A)"""
    steps: Tensor
    """(B, G) from the first frame to them."""


def _draw(rng: np.random.Generator, walks: Walks, training: VisualTraining, config: VisualConfig) -> _Drawn:
    which = rng.integers(0, len(walks.at), training.batch)
    start = rng.integers(0, training.length - training.stretch * config.block, training.batch)
    span = start[:, None] + config.block * np.arange(training.stretch)
    each = span[:, :-1, None] + np.arange(config.block)
    actions = walks.action[which[:, None, None], each].reshape(*span[:, 1:].shape, -1)
    farthest = np.minimum(training.length - start, config.farthest)[:, None]
    share = rng.random((training.batch, training.goals))
    steps = (1 + share * farthest).astype(np.int64).clip(1, farthest)
    return _Drawn(which, span, start[:, None] + steps, torch.from_numpy(actions), torch.from_numpy(steps))


Paint = Callable[[FloatArray], FloatArray]


def _seen(
    model: VisualModel, drawn: _Drawn, walks: Walks, painter: Paint
) -> tuple[Stretches, Tensor, Tensor]:
    """The batch, painted and encoded; and all pictures (N, 3, P, P) and latents (N, D)."""
    stretch, goal = (walks.at[drawn.which[:, None], each] for each in (drawn.span, drawn.later))
    states = np.concatenate([each.reshape(-1, each.shape[-1]) for each in (stretch, goal)])
    pictures = torch.from_numpy(painter(states))
    encoded: Tensor = model.encoder(pictures)
    z, later = encoded[: drawn.span.size], encoded[drawn.span.size :]
    of = Stretches(
        z.reshape(*drawn.span.shape, -1), drawn.actions, later.reshape(*drawn.later.shape, -1), drawn.steps
    )
    return of, pictures, encoded


def _kept(model: VisualModel, walks: Walks, painter: Paint) -> Tensor:
    """The latents of every frame, (walks, T + 1, D)."""
    with torch.no_grad():
        return torch.stack([model.encoder(torch.from_numpy(painter(states))) for states in walks.at])
