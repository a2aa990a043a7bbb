# SPDX-License-Identifier: Apache-2.0
"""Scales the intervals of a trained model so that they cover what they promise on validation recordings."""

from collections.abc import Sequence

import torch
from torch import Tensor

from jepa_lab.facts import ChannelFacts
from jepa_lab.model.world import Batch, MachineModel
from jepa_lab.objective import every_channel, targets

_COVER = 0.9


def widen_intervals(model: MachineModel, held: Sequence[Batch], facts: ChannelFacts) -> None:
    """Scale the distances between quantiles so that 90 % intervals cover 90 % of the validation windows.

    One factor for each horizon and target; without it a model judges the unknown by what it was trained on.
    """
    moving = (facts.persistence > facts.floor[:, None, None]).any(-1).any(-1)
    parts = [_needed(model, batch) for batch in held]
    for column in range(len(model.config.horizons_s)):
        for side in range(2):
            reached = torch.cat(
                [needed[..., column, side][scored[..., column] & moving] for needed, scored in parts]
            )
            factor = torch.quantile(reached, _COVER).clamp(0.5, 4.0)
            model.decoder.widen[column, side] *= factor


def _needed(model: MachineModel, batch: Batch) -> tuple[Tensor, Tensor]:
    """(B, N, C, H, 2) how far each interval must be stretched to reach its target, and which count."""
    pick = every_channel(batch)
    with torch.no_grad():
        quantiles = model(batch, pick).quantiles
    target, scored = targets(batch, pick)
    middle = quantiles[..., model.config.quantiles.index(0.5)]
    below, above = middle - quantiles[..., 0], quantiles[..., -1] - middle
    needed = torch.where(
        target < middle, (middle - target) / (below + 1e-6), (target - middle) / (above + 1e-6)
    )
    return needed, scored.bool()
