# SPDX-License-Identifier: Apache-2.0
"""What training minimises, and what it watches on validation recordings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from jepa.world.band import BAND
from jepa_lab.losses import (
    effective_rank,
    event_loss,
    latent_prediction,
    missed_band,
    pinball,
    sigreg,
    variance_covariance,
)
from jepa_lab.model.inverse import APART, InverseDynamics
from jepa_lab.model.world import Batch, MachineModel, ModelOutput, Pick
from jepa_lab.train_config import TrainConfig

_SOFTNESS = 0.015
_LEAST_SPREAD = 0.01
_CHANGED = 0.02
"""A setting has just changed if it differs by so much from what it was over the last seconds."""


def losses(
    model: MachineModel,
    inverse: InverseDynamics,
    batch: Batch,
    pick: Pick,
    unit: Tensor,
    config: TrainConfig,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """Every loss with its weight applied, by name."""
    output: ModelOutput = model(batch, pick)
    target, scored = targets(batch, pick)
    levels = torch.tensor(model.config.quantiles)
    median = output.quantiles[..., model.config.quantiles.index(0.5)]
    ahead = [
        latent_prediction(
            model.predictor.next_latent(output.z, output.h, number), output.z, batch.real, step
        )
        for number, step in enumerate(model.config.steps)
    ]
    weigh = torch.tensor(model.config.horizons_s) ** -config.far_less
    changed = (batch.control - batch.recent[:, :, 0]).abs().amax(-1)[:, pick.frames] > _CHANGED  # (B, N)
    scored = scored * (1 + config.fresh_weight * changed)[..., None, None]
    z = output.z[batch.real.bool()]
    variance, covariance = variance_covariance(z)
    return {
        "forecast": pinball(output.quantiles, levels, target, scored, unit[pick.channels], weigh),
        "band": config.band_weight * missed_band(median, target, scored, BAND, _SOFTNESS, weigh),
        "latent": config.predict_weight * torch.stack(ahead).mean(),
        "sigreg": config.sigreg_weight * sigreg(z, config.slices, generator),
        "variance": config.variance_weight * variance,
        "covariance": config.covariance_weight * covariance,
        "event": config.event_weight * event_loss(output.event_logits, *_events(batch, pick)),
        "inverse": config.inverse_weight * inverse_dynamics(inverse, output.z, batch),
    }


def inverse_dynamics(inverse: InverseDynamics, z: Tensor, batch: Batch) -> Tensor:
    """Mean squared error of settings predicted from latents z (B, T, D), over that of guessing their mean.

    Of recordings in which something was set, the others have none; 1 is no better than the mean.
    """
    acted = (batch.control != 0).flatten(1).any(1)
    if not acted.any():
        return z.new_zeros(())
    control = batch.control[acted, :-APART]
    weight = (batch.real[acted, APART:] * batch.real[acted, :-APART])[..., None].expand_as(control)
    total = weight.sum((0, 1)).clamp(min=1)
    mean = (control * weight).sum((0, 1)) / total
    error = ((inverse(z[acted]) - control).square() * weight).sum((0, 1)) / total
    spread = ((control - mean).square() * weight).sum((0, 1)) / total
    share: Tensor = (error / spread.clamp(min=_LEAST_SPREAD)).mean()
    return share


def _events(batch: Batch, pick: Pick) -> tuple[Tensor, Tensor]:
    """(B, N, E, H) whether each event came, and whether that is known, at the frames picked."""
    return batch.came[:, pick.frames], batch.known[:, pick.frames]


def targets(batch: Batch, pick: Pick) -> tuple[Tensor, Tensor]:
    """(B, N, C', H, 2) and (B, N, C', H) of what was picked."""
    target = batch.target[:, pick.frames][:, :, pick.channels]
    return target, batch.scored[:, pick.frames][:, :, pick.channels]


@dataclass(frozen=True, slots=True)
class Validation:
    """What some held batches say, before it is made into figures."""

    totals: Mapping[str, float]
    """Sums over recordings."""
    recordings: int
    latents: Tensor
    """(N, D)."""


def validation(
    model: MachineModel, inverse: InverseDynamics, held: Sequence[Batch], unit: Tensor
) -> Validation:
    """Forecast every window of ``held``, of which there may be none."""
    levels = torch.tensor(model.config.quantiles)
    totals: dict[str, float] = {}
    latents = [torch.empty(0, model.config.width)]
    for batch in held:
        with torch.no_grad():
            everything = every_channel(batch)
            output = model(batch, everything)
            target, scored = targets(batch, everything)
            median = output.quantiles[..., model.config.quantiles.index(0.5)]
            said = {
                "pinball": float(pinball(output.quantiles, levels, target, scored, unit)),
                "missed": float(missed_band(median, target, scored, BAND, _SOFTNESS)),
                "events": float(event_loss(output.event_logits, *_events(batch, everything))),
                "unsettled": float(inverse_dynamics(inverse, output.z, batch)),
            }
            for name, value in said.items():
                totals[name] = totals.get(name, 0.0) + len(batch.frame) * value
            latents.append(output.z[batch.real.bool()])
    return Validation(totals, sum(len(batch.frame) for batch in held), torch.cat(latents))


def validated(parts: Sequence[Validation]) -> dict[str, float]:
    """The figures of all ``parts`` together, each recording weighing the same."""
    recordings = sum(part.recordings for part in parts)
    names = next(part.totals for part in parts if part.recordings)
    z = torch.cat([part.latents for part in parts])
    return {
        name: round(sum(part.totals.get(name, 0.0) for part in parts) / recordings, 4) for name in names
    } | {
        "rank": round(effective_rank(z), 1),
        "spread": round(float(z.std(0).min()), 3),
    }


def every_channel(batch: Batch) -> Pick:
    """Every channel, and every third frame: neighbours have nearly the same windows to come."""
    return Pick(torch.arange(0, batch.frame.shape[1], 3), torch.arange(batch.frame.shape[2]))
