# SPDX-License-Identifier: Apache-2.0
"""The cheap rival of the encoder: n-grams of words and letters, weighed by TF-IDF, and linear heads.

It hears as the encoder does, so that both go through the same slots and the same refusals.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import scipy.sparse
from scipy.optimize import minimize

from jepa.language.encoder import Heard
from jepa.packs.language import Thresholds
from jepa_lab.language.examples import Example
from jepa_lab.language.shape import NEGATED, REFUSED, RESOURCES, TAGS

Array = npt.NDArray[np.float64]
_LETTERS: Final = (2, 3, 4, 5)
_SCALE: Final = 5.0
_STEPS: Final = 60
_ASKS: Final = ("no", "yes")


class Linear:
    """A multinomial logistic regression on weighed features."""

    def __init__(
        self,
        documents: Sequence[Counter[str]],
        right: Sequence[frozenset[str]],
        weights: Sequence[float],
        names: Sequence[str],
        decay: float,
    ) -> None:
        """Fit: any name in ``right`` of a document may be its name; ``decay`` is L2 on the weights."""
        counted: Counter[str] = Counter()
        for each in documents:
            counted.update(each.keys())
        kept = [feature for feature, times in counted.items() if times > 1]
        self._places = {feature: at for at, feature in enumerate(kept)}
        self._rare = np.array([1 + math.log((1 + len(documents)) / (1 + counted[each])) for each in kept])
        self.names = tuple(names)
        x = self._matrix(documents)
        shape = (len(kept), len(names))
        allowed = np.array([[name in of for name in names] for of in right], float)
        weight = np.asarray(weights)[:, None]

        def loss(flat: Array) -> tuple[float, Array]:
            own, bias = flat[: shape[0] * shape[1]].reshape(shape), flat[shape[0] * shape[1] :]
            share = _softmax(np.asarray(x @ own) + bias)
            hit = (share * allowed).sum(1, keepdims=True)
            wanted = share * allowed / np.maximum(hit, 1e-12)
            error = weight * (share - wanted)
            value = -(weight * np.log(np.maximum(hit, 1e-12))).sum() + 0.5 * decay * (own**2).sum()
            return float(value), np.concatenate(
                [np.asarray(x.T @ error + decay * own).ravel(), error.sum(0)]
            )

        start = np.zeros(shape[0] * shape[1] + shape[1])
        found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": _STEPS}).x
        self._own, self._bias = found[: shape[0] * shape[1]].reshape(shape), found[shape[0] * shape[1] :]

    def shares(self, documents: Sequence[Counter[str]]) -> Array:
        """(N, names) probabilities."""
        return _softmax(np.asarray(self._matrix(documents) @ self._own) + self._bias)

    def _matrix(self, documents: Sequence[Counter[str]]) -> Any:
        rows: list[int] = []
        columns: list[int] = []
        values: list[float] = []
        for row, document in enumerate(documents):
            found = {self._places[each]: times for each, times in document.items() if each in self._places}
            weighed = {at: (1 + math.log(times)) * self._rare[at] for at, times in found.items()}
            norm = math.sqrt(sum(value**2 for value in weighed.values())) or 1.0
            rows += [row] * len(weighed)
            columns += weighed.keys()
            values += [_SCALE * value / norm for value in weighed.values()]
        return scipy.sparse.csr_matrix((values, (rows, columns)), (len(documents), len(self._places)))


class Rival:
    """Four such regressions, for intent, resource, whether it is asked for, and the part of each word."""

    def __init__(
        self, examples: Sequence[Example], intents: Sequence[str], thresholds: Thresholds, decay: float = 0.3
    ) -> None:
        self.thresholds = thresholds
        said = [Counter(_features(each.words)) for each in examples]
        weights = [each.weight for each in examples]
        self._intents = Linear(said, [each.labels for each in examples], weights, intents, decay)
        known = [at for at, each in enumerate(examples) if each.resources]
        self._resources = Linear(
            [said[at] for at in known],
            [examples[at].resources for at in known],
            [weights[at] for at in known],
            RESOURCES,
            decay,
        )
        told = [at for at, each in enumerate(examples) if each.asks is not None]
        self._asks = Linear(
            [said[at] for at in told],
            [frozenset((_ASKS[bool(examples[at].asks)],)) for at in told],
            [weights[at] for at in told],
            _ASKS,
            decay,
        )
        words = [
            (Counter(_around(each.words, at)), frozenset((TAGS[tag],)), each.weight)
            for each in examples
            if each.tags is not None
            for at, tag in enumerate(each.tags)
        ]
        around, parts, counts = ([each[at] for each in words] for at in range(3))
        self._tags = Linear(around, parts, counts, TAGS, decay)  # type: ignore[arg-type]

    def hear(self, words: Sequence[str]) -> Heard | None:
        """What ``words`` mean."""
        said = [Counter(_features(words))]
        intents = dict(zip(self._intents.names, self._intents.shares(said)[0].tolist(), strict=True))
        negated = intents[NEGATED]
        refused = sum(intents.pop(name) for name in REFUSED)
        tags = self._tags.shares([Counter(_around(words, at)) for at in range(len(words))])
        return Heard(
            intents,
            refused,
            negated,
            dict(zip(RESOURCES, self._resources.shares(said)[0].tolist(), strict=True)),
            tuple(dict(zip(TAGS, row.tolist(), strict=True)) for row in tags),
            float(self._asks.shares(said)[0, 1]),
        )


def _features(words: Sequence[str]) -> Iterator[str]:
    yield from (f"word {word}" for word in words)
    yield from (f"pair {one} {other}" for one, other in zip(("^", *words), (*words, "$"), strict=True))
    text = f" {' '.join(words)} "
    for length in _LETTERS:
        yield from (f"letters {text[at : at + length]}" for at in range(len(text) - length + 1))


def _around(words: Sequence[str], at: int) -> Iterator[str]:
    padded = ("^", "^", *words, "$", "$")
    for offset in range(-2, 3):
        yield f"{offset} {padded[at + 2 + offset]}"
    yield f"pair {padded[at + 1]} {padded[at + 3]}"
    yield f"end {words[at][-3:]}"


def _softmax(logits: Array) -> Array:
    power = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(power / power.sum(1, keepdims=True))
