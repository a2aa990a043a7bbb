# SPDX-License-Identifier: Apache-2.0
"""The world model as dynamics: asked in as many calls as its fixed number of sequences takes."""

from typing import Protocol

import numpy as np

from jepa.world.forecast import FloatArray, Imagined


class Imaginer(Protocol):
    """What is asked of a WorldModel."""

    def imagine(self, sequences: FloatArray) -> Imagined:
        """What would follow under action ``sequences`` (K, S, A), for K up to the pack's ``candidates``."""


class Rollouts:
    """``Dynamics`` of ``model``, which takes ``most`` sequences at once."""

    def __init__(self, model: Imaginer, most: int) -> None:
        self._model = model
        self._most = most

    def rollout(self, sequences: FloatArray) -> Imagined:
        """See ``Dynamics``."""
        starts = range(0, len(sequences), self._most)
        parts = [self._model.imagine(sequences[at : at + self._most]) for at in starts]
        names = ("latents", "mean", "p90", "event_probability")
        return Imagined(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))
