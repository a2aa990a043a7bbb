# SPDX-License-Identifier: Apache-2.0
"""What would follow from a context under other settings: many action sequences at once."""

from typing import TYPE_CHECKING

import numpy as np

from jepa.errors import JepaError
from jepa.packs.pack import Pack
from jepa.world.context import Context
from jepa.world.event_probabilities import EventProbabilities
from jepa.world.forecast import FloatArray, Imagined
from jepa.world.scale import Scale
from jepa.world.sessions import open_session

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


class Imagination:
    """The imagine graph of ``pack``, opened when first asked: most machines never do."""

    def __init__(self, pack: Pack, events: EventProbabilities) -> None:
        self._pack = pack
        self._events = events
        self._scale = Scale(pack.schema)
        self._session: InferenceSession | None = None

    def imagine(self, context: Context, sequences: FloatArray) -> Imagined:
        """What would follow from the newest frame of ``context`` under action ``sequences`` (K, S, A).

        K is at most the pack's ``candidates``, S its ``imagined``. ValueError for other shapes; JepaError
        before the first frame.
        """
        if context.latent is None:
            raise JepaError("There is no frame yet to imagine from.", "Ask again in a second.", status=503)
        shape = self._pack.manifest.shape
        wanted = (shape.candidates, shape.imagined, len(shape.controls))
        if sequences.shape[1:] != wanted[1:] or not 0 < len(sequences) <= wanted[0]:
            raise ValueError(
                f"action sequences of shape {sequences.shape}, wanted {wanted} or fewer of them"
            )
        if self._session is None:
            self._session = open_session(self._pack.graphs["imagine"], f"{self._pack.title}/imagine")
        padded = np.zeros(wanted, np.float32)
        padded[: len(sequences)] = sequences
        # The newest frame is imagined anew with each sequence's settings: from the cache before it.
        inputs = {"latent": context.latent, "controls": padded}
        inputs |= {"caches": context.cache.before, "coarse": context.cache.coarse, **context.inputs}
        outputs = self._session.run(None, inputs)
        latents, medians, probability = (each[: len(sequences)] for each in outputs)
        units = self._scale.from_unit(np.moveaxis(medians, 1, -1))  # (K, H, 2, C)
        mean, p90 = np.moveaxis(units, -1, 1)[..., 0], np.moveaxis(units, -1, 1)[..., 1]
        return Imagined(latents, mean, p90, self._events.imagined(probability))
