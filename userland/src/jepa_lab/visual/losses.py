# SPDX-License-Identifier: Apache-2.0
"""The losses of the visual world model, of stretches of walks and of later frames that are goals."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from jepa_lab.losses import sigreg, variance_covariance
from jepa_lab.visual.model import VisualModel


@dataclass(frozen=True, slots=True)
class LossWeights:
    """Of each loss that has one."""

    sigreg: float = 0.02
    variance: float = 1.0
    covariance: float = 0.05
    inverse: float = 1.0
    strangers: float = 0.0
    """For goals of other walks to be far."""
    imagined: bool = False
    """The heads learn from imagined latents too, for those are what planning shows them."""
    reversible: bool = True
    """The way back is as long as the way."""
    sketch: float = 1.0
    """For drawing pictures from latents, where that is learnt."""


@dataclass(frozen=True, slots=True)
class Stretches:
    """What a batch is of, as latents."""

    z: Tensor
    """(B, T, D), an action apart."""
    actions: Tensor
    """(B, T - 1, A)"""
    goal: Tensor
    """(B, G, D), later in the same walk."""
    steps: Tensor
    """(B, G) steps of the environment from a stretch's first frame to its goals."""


def losses(
    model: VisualModel,
    of: Stretches,
    weights: LossWeights,
    to_shape: tuple[Tensor, Tensor, torch.Generator] | None = None,
) -> dict[str, Tensor]:
    """Every loss with its weight applied.

    ``to_shape``: all pictures (N, 3, P, P), their latents (N, D), and what draws the directions in which
    those are looked at; None when latents are as they are.
    """
    z, actions = of.z, of.actions
    ahead = z[:, 0]
    rolled = []
    for at in range(actions.shape[1]):  # each latent from the one imagined before it
        ahead = model.following(ahead, actions[:, at])
        rolled.append(ahead)
    one = model.following(z[:, :-1], actions)
    if to_shape is not None:
        pictures, encoded, generator = to_shape
        variance, covariance = variance_covariance(encoded)
        inferred = model.inverse(torch.cat([z[:, :-1], z[:, 1:]], -1))
    still = Stretches(z.detach(), actions, of.goal.detach(), of.steps)  # goals teach the encoder nothing
    missed = first(model, still)
    apart = distances(model, still, weights)
    sequence = torch.stack(rolled, 1)
    if weights.imagined:
        later = of.steps - model.config.block
        dreamt = Stretches(sequence.detach(), actions[:, 1:], still.goal, later)
        missed = (missed + first(model, dreamt)) / 2
        apart = (apart + distances(model, dreamt, weights)) / 2
    parts = {"next": F.mse_loss(one, z[:, 1:]), "rolled": F.mse_loss(sequence, z[:, 1:])}
    if to_shape is not None:
        parts |= {
            "sigreg": weights.sigreg * sigreg(encoded, 64, generator),
            "variance": weights.variance * variance,
            "covariance": weights.covariance * covariance,
            "inverse": weights.inverse * F.mse_loss(inferred, actions),
        }
        if model.config.sketch:
            small = F.avg_pool2d(pictures, model.config.sketch).flatten(1)
            parts["sketch"] = weights.sketch * F.mse_loss(model.sketch(encoded), small)
    return parts | {"apart": apart, "first": missed}


def distances(model: VisualModel, of: Stretches, weights: LossWeights) -> Tensor:
    """How far the goals are, estimated from the two latents."""
    whole, block = model.config.farthest, model.config.block
    now = of.z[:, None].expand(-1, of.steps.shape[1], -1, -1)  # (B, G, T, D)
    there = of.goal[:, :, None].expand_as(now)
    # Frames of the stretch lie on the way to the goal, each an action nearer than the one before.
    left = of.steps[:, :, None] - block * torch.arange(of.z.shape[1])  # (B, G, T)
    wanted = (left.clamp(min=0) / whole).clamp(max=1)
    apart = F.smooth_l1_loss(model.distance(now, there), wanted, beta=0.02, reduction="none")
    if weights.reversible:
        back = F.smooth_l1_loss(model.distance(there, now), wanted, beta=0.02) * 10
    else:  # and of frames beyond the goal nothing is known
        apart, back = apart[left >= 0], torch.zeros(())
    if weights.strangers:
        far = model.distance(now, there.roll(1, 0))
        back = back + weights.strangers * F.smooth_l1_loss(far, torch.ones_like(far), beta=0.02)
    return apart.mean() * 10 + back


def first(model: VisualModel, of: Stretches) -> Tensor:
    """What was done first on the way to each goal, estimated from the two latents."""
    block = model.config.block
    left = of.steps[:, :, None] - block * torch.arange(of.z.shape[1] - 1)  # (B, G, T - 1)
    on_way = (left[..., None] > torch.arange(block)).float()
    on_way = on_way.repeat_interleave(of.actions.shape[-1] // block, -1)  # (B, G, T - 1, A)
    now = of.z[:, None, :-1].expand(-1, of.steps.shape[1], -1, -1)
    hint = model.propose(now, of.goal[:, :, None].expand_as(now))
    missed = (hint - of.actions[:, None]).square() * on_way
    return missed.sum() / on_way.sum().clamp(min=1)
