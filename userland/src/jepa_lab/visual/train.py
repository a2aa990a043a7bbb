# SPDX-License-Identifier: Apache-2.0
"""Trains the visual world model on walks through an environment, drawn as they are needed."""

import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from jepa.packs.vision import Clip
from jepa_lab.losses import effective_rank
from jepa_lab.visual.environment import Environment, Painter, Walks
from jepa_lab.visual.keeping import KeptWeights
from jepa_lab.visual.losses import LossWeights, Stretches, first, losses
from jepa_lab.visual.model import VisualConfig, VisualModel

_AT_ONCE = 32
"""Walks whose frames are encoded together."""
_SEEING = 0.62
"""Of the time, where a clock counts; the rest is for settling."""
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
    lots: int = 1
    """They are made in so many, side by side, each of a seed of its own."""
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
    weights: LossWeights = field(default_factory=LossWeights)
    cloning: bool = False
    """Learn nothing but what to do first, encoder and all: behaviour cloning, to compare with."""


@dataclass(frozen=True, slots=True)
class Clock:
    """When to have done, by `time.monotonic`, where that counts and not steps; the rate falls by it."""

    seen: float
    settled: float

    @classmethod
    def within(cls, seconds: float) -> "Clock":
        """From now on."""
        now = time.monotonic()
        return cls(now + _SEEING * seconds, now + seconds)


Watch = Callable[[KeptWeights], object]
"""Is shown every hundred steps what there is by then."""


def train(
    environment: Environment,
    config: VisualConfig,
    training: VisualTraining,
    device: str = "cpu",
    clock: Clock | None = None,
    watch: Watch = lambda _: None,
) -> KeptWeights:
    """What is made of it.

    ``device`` is PyTorch's. On the CPU, and without a ``clock``, a seed always makes the same.
    """
    torch.set_num_threads(1)
    torch.manual_seed(training.seed)
    torch.use_deterministic_algorithms(device == "cpu")
    torch.set_float32_matmul_precision("highest" if device == "cpu" else "high")
    rng = np.random.default_rng(training.seed)
    walks = gathered(environment, training, rng)
    with torch.device(device):
        trained = _learnt(environment, walks, rng, config, training, clock, watch)
    return replace(trained, model=trained.model.cpu())


def gathered(environment: Environment, training: VisualTraining, rng: np.random.Generator) -> Walks:
    """The walks to learn from, by as many processes as there are cores."""
    if training.lots == 1:
        return environment.walk(rng, training.walks, training.length)
    make = partial(environment.walk, count=training.walks // training.lots, steps=training.length)
    processes = min(training.lots, len(os.sched_getaffinity(0)))
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        made = pool.map(make, rng.spawn(training.lots))
    return Walks(*(np.concatenate([getattr(each, name) for each in made]) for name in ("at", "action")))


def _learnt(
    environment: Environment,
    walks: Walks,
    rng: np.random.Generator,
    config: VisualConfig,
    training: VisualTraining,
    clock: Clock | None,
    watch: Watch,
) -> KeptWeights:
    """On PyTorch's device of the moment."""
    device = torch.get_default_device()
    generator = torch.Generator(device).manual_seed(training.seed)
    painter = environment.painter(clip_of(config), str(device))
    model = VisualModel(config)

    def from_pictures() -> Learnt:
        model.train()
        drawn = _draw(rng, walks, training, config)
        of, pictures, encoded = _seen(model, drawn, walks, painter)
        if training.cloning:
            return {"first": first(model, of)}, encoded
        return losses(model, of, training.weights, (pictures, encoded, generator)), encoded

    def so_far(seen: int, settled: int, last: dict[str, float]) -> KeptWeights:
        taken = asdict(replace(training, steps=seen, settling=settled))
        parameters = sum(parameter.numel() for parameter in model.parameters())
        report = {"config": asdict(config), "training": taken, "parameters": parameters, "last": last}
        return KeptWeights(model, report)

    def seeing(number: int, last: dict[str, float]) -> None:
        watch(so_far(number, 0, last))

    seen, line = _descend(
        "", model, training, training.steps, from_pictures, clock.seen if clock else None, seeing
    )
    settled = 0
    model.eval()
    if training.settling:
        kept = _kept(model, walks, painter)
        other = replace(
            training,
            batch=training.settling_batch,
            stretch=training.settling_stretch,
            learning_rate=training.settling_rate,
        )
        model.encoder.requires_grad_(False)

        def from_latents() -> Learnt:
            drawn = _draw(rng, walks, other, config)
            which = torch.as_tensor(drawn.which)[:, None]
            z, goal = (kept[which, torch.as_tensor(each)] for each in (drawn.span, drawn.later))
            of = Stretches(z, drawn.actions, goal, drawn.steps)
            if training.cloning:
                return {"first": first(model, of)}, z
            return losses(model, of, training.weights), z

        def settling(number: int, last: dict[str, float]) -> None:
            watch(so_far(seen, number, line | last))

        settled, late = _descend(
            "settling ",
            model,
            other,
            training.settling,
            from_latents,
            clock.settled if clock else None,
            settling,
        )
        line |= late
    return so_far(seen, settled, line)


Learnt = tuple[dict[str, Tensor], Tensor]
"""Every loss, with its weight applied, and latents (..., D)."""


def _descend(
    prefix: str,
    model: VisualModel,
    training: VisualTraining,
    steps: int,
    learn: Callable[[], Learnt],
    end: float | None,
    report: Callable[[int, dict[str, float]], object],
) -> tuple[int, dict[str, float]]:
    """``steps`` of it, or as many as there are until ``end``: how many, and the last losses."""
    optimiser = torch.optim.AdamW(
        model.parameters(),
        training.learning_rate,
        weight_decay=training.weight_decay,
        fused=torch.get_default_device().type != "cpu" or None,
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, training.learning_rate, steps, pct_start=0.05)
    start = time.monotonic()
    line: dict[str, float] = {}
    number = done = 0
    while done < steps:
        parts, z = learn()
        optimiser.zero_grad()
        sum(parts.values(), torch.zeros(())).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        spent = time.monotonic() - start
        before, done = done, done + 1 if end is None else _share(steps, spent, end - start)
        for _ in range(before, done):
            schedule.step()
        if number % 100 == 0 or done == steps:
            line = {name: round(part.item(), 4) for name, part in parts.items()}
            line["rank"] = round(effective_rank(z.detach().flatten(0, -2)), 1)
            shown = " ".join(f"{name} {value}" for name, value in line.items())
            print(f"\r{prefix}{done}/{steps} {number} {shown} {spent:.0f} s   ", end="", file=sys.stderr)
            report(number + 1, line)
        number += 1
    print(file=sys.stderr)
    return number, line


def _share(steps: int, spent: float, seconds: float) -> int:
    """How many of ``steps`` are done when ``spent`` of the ``seconds`` are."""
    return min(steps, int(steps * spent / max(seconds, 1e-3)))


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
    return _Drawn(which, span, start[:, None] + steps, torch.as_tensor(actions), torch.as_tensor(steps))


def _seen(
    model: VisualModel, drawn: _Drawn, walks: Walks, painter: Painter
) -> tuple[Stretches, Tensor, Tensor]:
    """The batch, painted and encoded; and all pictures (N, 3, P, P) and latents (N, D)."""
    stretch, goal = (walks.at[drawn.which[:, None], each] for each in (drawn.span, drawn.later))
    states = np.concatenate([each.reshape(-1, each.shape[-1]) for each in (stretch, goal)])
    pictures = painter(states)
    encoded: Tensor = model.encoder(pictures)
    z, later = encoded[: drawn.span.size], encoded[drawn.span.size :]
    of = Stretches(
        z.reshape(*drawn.span.shape, -1), drawn.actions, later.reshape(*drawn.later.shape, -1), drawn.steps
    )
    return of, pictures, encoded


def _kept(model: VisualModel, walks: Walks, painter: Painter) -> Tensor:
    """The latents of every frame, (walks, T + 1, D)."""
    count, length = walks.at.shape[:2]
    with torch.no_grad():
        lots = [
            model.encoder(painter(walks.at[at : at + _AT_ONCE].reshape(-1, walks.at.shape[-1])))
            for at in range(0, count, _AT_ONCE)
        ]
    return torch.cat(lots).reshape(count, length, -1)
