# SPDX-License-Identifier: Apache-2.0
"""What training minimises, and what it watches on validation recordings."""

from collections.abc import Sequence

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


def validated(
    model: MachineModel, inverse: InverseDynamics, held: Sequence[Batch], unit: Tensor
) -> dict[str, float]:
    """What the held batches say, each recording weighing the same."""
    levels = torch.tensor(model.config.quantiles)
    rows, latents = [], []
    for batch in held:
        with torch.no_grad():
            everything = every_channel(batch)
            output = model(batch, everything)
            target, scored = targets(batch, everything)
            median = output.quantiles[..., model.config.quantiles.index(0.5)]
            rows.append(
                {
                    "pinball": float(pinball(output.quantiles, levels, target, scored, unit)),
                    "missed": float(missed_band(median, target, scored, BAND, _SOFTNESS)),
                    "events": float(event_loss(output.event_logits, *_events(batch, everything))),
                    "unsettled": float(inverse_dynamics(inverse, output.z, batch)),
                }
            )
            latents.append(output.z[batch.real.bool()])
    weights = [len(batch.frame) for batch in held]
    mean = {name: sum(w * row[name] for w, row in zip(weights, rows, strict=True)) for name in rows[0]}
    z = torch.cat(latents)
    return {name: round(total / sum(weights), 4) for name, total in mean.items()} | {
        "rank": round(effective_rank(z), 1),
        "spread": round(float(z.std(0).min()), 3),
    }


def every_channel(batch: Batch) -> Pick:
    """Every channel, and every third frame: neighbours have nearly the same windows to come."""
    return Pick(torch.arange(0, batch.frame.shape[1], 3), torch.arange(batch.frame.shape[2]))
