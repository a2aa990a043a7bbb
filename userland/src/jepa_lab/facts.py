# SPDX-License-Identifier: Apache-2.0
"""What the training data say of each channel, from sums that can be added up wherever the data lie."""

import functools
import operator
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from jepa.world.scale import Scale
from jepa_lab.data import Stretch

_UNKNOWN = 0.1
_LEAST = 0.005


@dataclass(frozen=True, slots=True)
class ChannelFacts:
    """What the training data say of each channel, on the unit scale."""

    center: Tensor  # (C,)
    spread: Tensor  # (C,)
    floor: Tensor  # (C,) the least change worth showing
    observed: Tensor  # (C,) bool
    persistence: Tensor  # (C, H, 2) mean absolute error of repeating the past window


@dataclass(frozen=True, slots=True)
class FactSums:
    """Sums over frames, in double precision, so that their order hardly matters."""

    count: Tensor  # (C,) frames that have the channel
    total: Tensor  # (C,)
    squares: Tensor  # (C,)
    error: Tensor  # (C, H, 2) of repeating the past window
    scored: Tensor  # (C, H)

    @classmethod
    def of(cls, stretch: Stretch) -> "FactSums":
        """Those of one stretch."""
        valid, frame = stretch.valid.double(), stretch.frame.double()
        scored = stretch.scored.double()
        error = (stretch.target - stretch.stats[:, :, : stretch.target.shape[2]]).abs().double()
        return cls(
            valid.sum(0),
            (frame * valid).sum(0),
            (frame.square() * valid).sum(0),
            (error * scored[..., None]).sum(0),
            scored.sum(0),
        )

    def __add__(self, other: "FactSums") -> "FactSums":
        return FactSums(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))

    def facts(self, scale: Scale) -> ChannelFacts:
        """Centre, spread and how hard each channel is."""
        observed, some = self.count > 0, self.count.clamp(min=1)
        floor = torch.from_numpy(scale.noise_floor).clamp(max=_LEAST)
        center = self.total / some
        spread = (self.squares / some - center.square()).clamp(min=0).sqrt().clamp(min=2 * _LEAST)
        return ChannelFacts(
            torch.where(observed, center, _UNKNOWN).float(),
            torch.where(observed, spread, _UNKNOWN).float(),
            floor,
            observed,
            (self.error / self.scored[..., None].clamp(min=1)).float(),
        )


def channel_facts(stretches: Iterable[Stretch], scale: Scale) -> ChannelFacts:
    """The facts of training data that are here."""
    return functools.reduce(operator.add, map(FactSums.of, stretches)).facts(scale)
