# SPDX-License-Identifier: Apache-2.0
"""Fits the gate on sentences of writers whom the encoder was not trained on.

A logistic regression of whether the act that the encoder read was right. Every sign has a side, which the
fit may not change; where there are few examples of a rule, it counts what it would by itself.
"""

import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol, get_args

import numpy as np
import numpy.typing as npt

from jepa.language.encoder import Encoder, Heard
from jepa.language.gate import probability
from jepa.language.inventory import Nothing
from jepa.language.meaning import act
from jepa.language.tokens import Unreadable, tokenise
from jepa.packs.language import ActGate, Sign, Thresholds
from jepa_lab.language.corpus import Sentence
from jepa_lab.language.judging import Answer

HEARD: Final[tuple[Sign, ...]] = ("asks", "wanted", "positive", "likely", "apart")
"""Signs that speak for an act; all others speak against it."""
_SIGNS: Final[tuple[Sign, ...]] = get_args(Sign)
_SIDES: Final = np.array([1.0 if name in HEARD else -1.0 for name in _SIGNS])
_OWN: Final[Mapping[Sign, float]] = {
    **dict.fromkeys(HEARD, 0.2),
    "unsure_name": 1.0,
    "unsure_spared": 3.0,
    "spared": 0.0,
}
_BY_ITSELF: Final = np.array([_OWN.get(name, 2.0) for name in _SIGNS])
"""What each counts of which nothing is known; a rule a logit of two."""
_FIRM: Final = 10.0
"""How many examples that is worth."""
_HEAVY: Final = 12.0
"""How much more an act counts that was negated, or not to touch what it touches."""
_STEPS: Final = 3000
_RATE: Final = 0.02
FloatArray = npt.NDArray[np.float64]


class Hears(Protocol):
    """An encoder without a gate."""

    @property
    def thresholds(self) -> Thresholds:
        """From where on it is believed."""

    def hear(self, words: Sequence[str]) -> Heard | None:
        """What ``words`` mean; None where they are too many."""


class Gated:
    """An encoder with a gate."""

    def __init__(self, hears: Hears, gate: ActGate) -> None:
        self._hears, self.gate, self.thresholds = hears, gate, hears.thresholds

    def hear(self, words: Sequence[str]) -> Heard | None:
        """What ``words`` mean; None where they are too many."""
        return self._hears.hear(words)


OPEN: Final = ActGate(bias=0, weights=dict.fromkeys(_SIGNS, 0.0), least=0)
"""Lets every act through."""


@dataclass(frozen=True, slots=True)
class Case:
    """A sentence of which the encoder read an act."""

    sentence: Sentence
    signs: Mapping[Sign, float]
    right: bool
    weight: float


def cases(corpus: Sequence[Sentence], encoder: Encoder) -> list[Case]:
    """Those of ``corpus`` that the encoder reads as acts."""
    found = []
    for sentence in corpus:
        try:
            tokens = tokenise(unicodedata.normalize("NFC", sentence.text))
        except Unreadable:
            continue
        if (read := act(tokens, Nothing(), encoder)) is not None:
            spec, signs = read
            answer = Answer(sentence, dict(spec), 0.0, True)
            harms = sentence.kind == "negated" or answer.touches_protected
            asked = any(
                (spec["intent"], spec["operation"]) == (each["intent"], each["operation"])
                for each in sentence.meanings
            )
            found.append(
                Case(sentence, signs, asked and not answer.touches_protected, _HEAVY if harms else 1.0)
            )
    return found


def fitted(of: Sequence[Case], least: float) -> ActGate:
    """The gate that is likeliest to tell the right ones ``of`` these."""
    values = np.array([_values(each) for each in of])
    right = np.array([float(each.right) for each in of])
    weight = np.array([each.weight for each in of])
    counts, bias = _BY_ITSELF.copy(), 0.0
    first, second = np.zeros(len(counts) + 1), np.zeros(len(counts) + 1)
    for step in range(1, _STEPS + 1):
        share = 1 / (1 + np.exp(-np.clip(values @ counts + bias, -30, 30)))
        miss = weight * (share - right)
        slope = np.append(values.T @ miss + _FIRM * (counts - _BY_ITSELF), miss.sum()) / len(of)
        first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope**2
        change = _RATE * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
        counts = np.maximum(counts - change[:-1], 0)
        bias -= float(change[-1])
    weights: dict[Sign, float] = {
        name: round(float(side * count), 3) for name, side, count in zip(_SIGNS, _SIDES, counts, strict=True)
    }
    return ActGate(bias=round(bias, 3), weights=weights, least=least)


def _values(case: Case) -> FloatArray:
    return _SIDES * [case.signs.get(name, 0.0) for name in _SIGNS]


def crossed(of: Sequence[Case], writer: Callable[[str], str]) -> dict[str, ActGate]:
    """For each writer a gate that was fitted on all others."""
    writers = sorted({writer(each.sentence.person) for each in of})
    return {
        name: fitted([each for each in of if writer(each.sentence.person) != name], 0.5) for name in writers
    }


def probabilities(
    of: Sequence[Case], gates: Mapping[str, ActGate], writers: Mapping[str, str]
) -> dict[str, float]:
    """For each text how likely its act was asked for, by the gate of its writer."""
    return {each.sentence.text: probability(gates[writers[each.sentence.person]], each.signs) for each in of}


def curve(
    given: Sequence[Answer], shares: Mapping[str, float], leasts: Collection[float]
) -> list[dict[str, float]]:
    """By what an act needs: intents, false refusals, and acts on what is negated or spared.

    ``given`` are answers by a gate that lets every act through, ``shares`` the probabilities of their texts.
    """
    rows = []
    for least in leasts:
        now = [_unless(each, shares.get(each.sentence.text, 1.0) < least) for each in given]
        certain = [each for each in now if all(one["intent"] != "none" for one in each.sentence.meanings)]
        rows.append(
            {
                "least": least,
                "intent": round(sum(each.intent for each in now) / len(now), 3),
                "false_refusals": round(sum(each.refused for each in certain) / len(certain), 3),
                "acted_on_negated": sum(each.acts for each in now if each.sentence.kind == "negated"),
                "acted_on_protected": sum(each.touches_protected for each in now),
            }
        )
    return rows


def _unless(answer: Answer, refused: bool) -> Answer:
    """``answer``, or none where it would have been an act that is ``refused``."""
    if not (refused and answer.acts and answer.spec["tier"] == "encoder"):
        return answer
    return replace(answer, spec={**answer.spec, "intent": "none", "protect": []}, acts=False)
