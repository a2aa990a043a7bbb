# SPDX-License-Identifier: Apache-2.0
"""From where on the encoder is believed, found on persons that it was not trained on."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from jepa.packs.language import Thresholds
from jepa_lab.language.corpus import Sentence
from jepa_lab.language.examples import Example
from jepa_lab.language.shape import REFUSED

FloatArray = npt.NDArray[np.float32]
FOREIGN_REFUSED: Final = 0.96
"""Of what is out of scope, so much is to be refused; a little more than is wanted on other sentences."""
LEAST_REFUSE: Final = 0.35
"""Below, more wishes are lost than foreign sentences are caught."""
CHOSEN: Final = {
    "reads": 0.25,
    "acts": 0.4,
    "named": 0.5,
    "negated": 0.3,
    "offers": 0.5,
}
"""By hand, on the first fold of persons that are left out."""
_TEMPERATURES: Final = tuple(np.geomspace(0.5, 3.0, 40))


def calibrated(
    judged: Sequence[tuple[Sentence, Example]], logits: FloatArray, intents: Sequence[str]
) -> Thresholds:
    """Thresholds from the ``logits`` (N, intents) of sentences never trained on."""
    allowed = np.array([[name in example.labels for name in intents] for _, example in judged])

    def misfit(temperature: float) -> float:
        hit = (_softmax(logits / temperature) * allowed).sum(1)
        return float(-np.log(np.maximum(hit, 1e-9)).mean())

    temperature = min(_TEMPERATURES, key=misfit)
    shares = _softmax(logits / temperature)
    refused = shares[:, [name in REFUSED for name in intents]].sum(1)
    foreign = np.array([sentence.kind == "oos" for sentence, _ in judged])
    refuse = float(np.quantile(refused[foreign], 1 - FOREIGN_REFUSED))
    return Thresholds(
        temperature=round(float(temperature), 3),
        refuse=round(min(max(refuse, LEAST_REFUSE), 0.6), 3),
        **CHOSEN,
    )


def _softmax(logits: FloatArray) -> FloatArray:
    power = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(power / power.sum(1, keepdims=True), np.float32)
