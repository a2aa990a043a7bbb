# SPDX-License-Identifier: Apache-2.0
"""Learns what changes of settings do, from sessions of trials, once all else of the model has been learned.

In a trial both roles are steadily at work and one setting changes at a time, so what follows a change is
mostly its effect. Nothing but `jepa_lab.model.effect` learns from it; everything it is given is as the
finished model has it, and computed once. The loss is nearly square: what is wanted for planning is the size
that an effect has on average, and a median would call most of them nothing.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from jepa_lab.data import Mirror, Stretch
from jepa_lab.model.world import Batch, MachineModel, Pick


@dataclass(frozen=True, slots=True)
class EffectTraining:
    """How to learn effects."""

    seed: int = 1
    steps: int = 600
    """More fit the trials better, and those left out worse: signs right 0.936 after 2000, 0.949 here."""
    batch: int = 48
    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    square: float = 1.0
    """Of a channel's spreads: errors below count by their square, beyond as they are."""
    far_less: float = 0.5
    """By which power of its length a horizon weighs less."""


_KEPT = 0.8
"""Of a window's length, for which settings must stay if their effect is to be learned from it."""
_WARM = 16
"""Frames before the first change that is learned from."""


@dataclass(frozen=True, slots=True)
class Moments:
    """N frames just before settings change."""

    features: Tensor  # (N, C, F) what the decoder knows of each channel
    before: Tensor  # (N, A) what was set
    after: Tensor  # (N, A)
    context: Tensor  # (N, K) the decoder's
    situation: Tensor  # (N, S)
    plain: Tensor  # (N, C, H, 2) the median without effects
    target: Tensor  # (N, C, H, 2)
    weight: Tensor  # (N, C, H) 0 where nothing is to be learned


def learn_effects(
    model: MachineModel, trials: Sequence[Stretch], mirror: Mirror | None, training: EffectTraining
) -> dict[str, float]:
    """Let ``model`` learn effects from ``trials``; what is worth remembering of it.

    Nothing happens without a change of settings.
    """
    mirrored = [] if mirror is None else [mirror.of_stretch(trial) for trial in trials]
    moments = _joined([_moments(model, trial) for trial in (*trials, *mirrored)])
    if moments is None:
        return {}
    effect, spread = model.decoder.effect, model.decoder.spread[:, None, None]
    generator = torch.Generator().manual_seed(training.seed)
    optimiser = torch.optim.AdamW(
        effect.parameters(), training.learning_rate, weight_decay=training.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, training.learning_rate, training.steps, pct_start=0.03
    )
    horizons = torch.tensor(model.config.horizons_s) ** -training.far_less
    line: dict[str, float] = {}
    effect.train()
    torch.manual_seed(training.seed)  # for dropout
    for step in range(training.steps):
        some = torch.randint(len(moments.context), (training.batch,), generator=generator)
        inputs = (moments.before, moments.after, moments.context, moments.situation)
        jump = effect((moments.features[some],), *(each[some] for each in inputs))
        missed = (moments.plain[some] - moments.target[some]) / spread + jump
        weight = (moments.weight[some] * horizons)[..., None].expand_as(missed)
        each = F.huber_loss(missed, torch.zeros_like(missed), delta=training.square, reduction="none")
        loss = (each * weight).sum() / weight.sum().clamp(min=1)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(effect.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if step % 100 == 0 or step == training.steps - 1:
            line = {"moments": len(moments.context), "step": step, "loss": round(loss.item(), 4)}
            words = " ".join(f"{name} {value}" for name, value in line.items())
            print(f"\reffects: {words}   ", end="", file=sys.stderr)
    print(file=sys.stderr)
    effect.eval()
    return line


def _moments(model: MachineModel, trial: Stretch) -> Moments | None:
    """The last frames of ``trial`` before settings change, with the new settings as input."""
    at = (trial.control[1:] != trial.control[:-1]).any(-1).nonzero()[:, 0]
    at = at[at >= _WARM]
    if not len(at):
        return None
    kept = torch.cat([at[1:], torch.tensor([len(trial.frame) - 1])]) - at
    fields = {name: getattr(trial, name)[None] for name in Stretch.__slots__ if name != "foreseen"}
    batch = Batch(**(fields | {"control": trial.foreseen[None]}), real=torch.ones(1, len(trial.frame)))
    seen: list[Tensor] = []
    watch = model.decoder.effect.register_forward_pre_hook(lambda _, inputs: seen.extend(inputs))
    with torch.no_grad():
        output = model(batch, Pick(at, torch.arange(trial.frame.shape[1]), asked=True))
    watch.remove()
    parts, before, after, context, situation = seen
    features = torch.cat([part.expand(len(at), trial.frame.shape[1], -1) for part in parts], -1)
    horizons = torch.tensor(model.config.horizons_s)
    weight = trial.scored[at] * (kept[:, None] >= _KEPT * horizons)[:, None]
    median = output.quantiles[0, ..., model.config.quantiles.index(0.5)]
    return Moments(features, before, after, context, situation, median, trial.target[at], weight)


def _joined(parts: Sequence[Moments | None]) -> Moments | None:
    some = [part for part in parts if part is not None]
    if not some:
        return None
    return Moments(*(torch.cat([getattr(part, name) for part in some]) for name in Moments.__slots__))
