# SPDX-License-Identifier: Apache-2.0
"""The losses of the machine model, one function each, all on real frames only."""

import torch
import torch.nn.functional as F
from torch import Tensor

_KNOTS = 17
_REACH = 5.0


def pinball(
    quantiles: Tensor,
    levels: Tensor,
    target: Tensor,
    scored: Tensor,
    unit: Tensor,
    weigh: Tensor | None = None,
) -> Tensor:
    """Mean pinball loss, twice, in units of ``unit``.

    quantiles (..., C, H, 2, Q), levels (Q,), target (..., C, H, 2), scored (..., C, H), unit (C, H, 2),
    weigh (H,) of each horizon, all the same when None.
    """
    error = (target[..., None] - quantiles) / unit[..., None]
    loss = torch.maximum(levels * error, (levels - 1) * error).mean(-1) * 2
    weight = _weights(scored, weigh).expand_as(loss)
    return (loss * weight).sum() / weight.sum().clamp(min=1)


def _weights(scored: Tensor, weigh: Tensor | None) -> Tensor:
    return (scored if weigh is None else scored * weigh)[..., None]


def missed_band(
    median: Tensor,
    target: Tensor,
    scored: Tensor,
    band: float,
    softness: float,
    weigh: Tensor | None = None,
) -> Tensor:
    """Share of medians (..., C, H, 2) more than ``band`` from the target, with a soft edge to learn from."""
    missed = torch.sigmoid(((target - median).abs() - band) / softness)
    weight = _weights(scored, weigh).expand_as(missed)
    return (missed * weight).sum() / weight.sum().clamp(min=1)


def event_loss(logits: Tensor, came: Tensor, known: Tensor) -> Tensor:
    """Binary cross-entropy of events, (..., E, H) all three, where it is ``known`` whether they came."""
    loss = F.binary_cross_entropy_with_logits(logits, came, reduction="none")
    return (loss * known).sum() / known.sum().clamp(min=1)


def latent_prediction(predicted: Tensor, z: Tensor, real: Tensor, step: int) -> Tensor:
    """Mean squared distance of predicted from later encoded latents, (B, T, D) both, ``step`` frames on."""
    both = real[:, step:, None] * real[:, :-step, None]
    error = (predicted[:, :-step] - z[:, step:]).square() * both
    return error.sum() / (both.sum() * z.shape[-1]).clamp(min=1)


def sigreg(z: Tensor, slices: int, generator: torch.Generator) -> Tensor:
    """How far the latents (N, D) are from a standard normal, by random one-dimensional slices.

    Each slice's empirical characteristic function is compared with exp(-t²/2), weighted by the same (the
    test of Epps and Pulley).
    """
    directions = torch.randn(z.shape[1], slices, generator=generator)
    directions = directions / directions.norm(dim=0, keepdim=True)
    t = torch.linspace(-_REACH, _REACH, _KNOTS)
    normal = torch.exp(-0.5 * t.square())
    angle = (z @ directions)[..., None] * t  # (N, slices, knots)
    distance = (angle.cos().mean(0) - normal).square() + angle.sin().mean(0).square()
    return torch.trapezoid(distance * normal, t).mean() * len(z)


def variance_covariance(z: Tensor) -> tuple[Tensor, Tensor]:
    """VICReg's two terms of latents (N, D): shortfall of each deviation from 1, and squared covariances."""
    centred = z - z.mean(0)
    deviation = (centred.square().mean(0) + 1e-4).sqrt()
    covariance = centred.T @ centred / max(1, len(z) - 1)
    off = covariance - torch.diag(torch.diagonal(covariance))
    return (1 - deviation).relu().mean(), off.square().sum() / z.shape[1]


def effective_rank(z: Tensor) -> float:
    """exp of the entropy of the centred latents' (N, D) singular values: 1 when collapsed, D at most."""
    values = torch.linalg.svdvals(z - z.mean(0))
    share = values / values.sum().clamp(min=1e-12)
    return float(torch.exp(-(share * (share + 1e-12).log()).sum()))
