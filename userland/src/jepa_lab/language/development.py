# SPDX-License-Identifier: Apache-2.0
"""Trains on some persons; finds thresholds and judges on the others."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

from jepa.language.encoder import Encoder as Hears
from jepa.language.inventory import Nothing
from jepa.language.parser import parse
from jepa.language.wordpiece import WordPiece
from jepa.packs.language import Thresholds
from jepa_lab.language import carrier
from jepa_lab.language.calibrate import CHOSEN, calibrated
from jepa_lab.language.corpus import NOW, Sentence, sentences
from jepa_lab.language.examples import Example, Examples, fixed
from jepa_lab.language.judging import answers, measure
from jepa_lab.language.rival import Rival
from jepa_lab.language.training import Recipe, Trained, judged, train

HELD_OUT: Final = 4
"""One person in so many is kept from training, to judge."""
RIVAL: Final = Thresholds(temperature=1.0, refuse=0.5, **CHOSEN)
Weights = dict[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class Developed:
    """What the pack is made of, and how good it is."""

    arrays: dict[str, npt.NDArray[np.float32]]
    """The changes and heads, by their names in the model."""
    intents: tuple[str, ...]
    """In the order of the head."""
    thresholds: Thresholds
    rows: list[dict[str, Any]]
    """Figures on persons kept apart: of the templates alone, with n-grams, and with the encoder."""
    data: str
    """What it was trained on, in words."""


def material() -> tuple[Weights, WordPiece]:
    """The carrier's weights and vocabulary."""
    from safetensors.torch import load_file

    weights, vocabulary = carrier.bring()
    return load_file(weights), WordPiece(vocabulary.read_text(encoding="utf-8").splitlines())


def for_training() -> list[Sentence]:
    """The parts of the corpus that may be trained on."""
    return [*sentences("train"), *sentences("dev")]


def intents_of(examples: Sequence[tuple[Sentence, Example]]) -> tuple[str, ...]:
    """Every intent with its operation, in order of the alphabet."""
    return tuple(sorted({label for _, example in examples for label in example.labels}))


def develop(recipe: Recipe, tell: Callable[[str], None] = print) -> Developed:
    """Train on some persons; thresholds and figures from the others."""
    weights, pieces = material()
    every = for_training()
    intents = intents_of(fixed(every))
    persons = sorted({each.person for each in every})[::HELD_OUT]
    apart = fixed(each for each in every if each.person in persons)
    others = [each for each in every if each.person not in persons]
    model = train(weights, others, pieces, intents, recipe, tell)
    thresholds = calibrated(apart, judged(model, [each for _, each in apart], pieces), intents)
    drawn = Examples(others, recipe.seed).epoch(recipe.drawn, recipe.foreign, recipe.joined)
    rows = []
    ways: dict[str, Hears | None] = {
        "templates": None,
        "ngrams": Rival(drawn, intents, RIVAL),
        "encoder": Trained(model, pieces, intents, thresholds),
    }
    for name, encoder in ways.items():
        given = answers([each for each, _ in apart], partial(_parse, encoder=encoder))
        rows += [{**row, "name": f"{row['name']}_{name}"} for row in measure(given)]
    for row in rows:
        tell(f"{row['name']}: {row['value']}")
    arrays = {name: value.detach().numpy() for name, value in model.state_dict().items()}
    templates = len({(each.template, each.person) for each in others})
    data = (
        f"{templates} templates of {len({each.person for each in others})} files, and what follows from them"
    )
    return Developed(arrays, intents, thresholds, rows, data)


def _parse(text: str, encoder: Hears | None) -> dict[str, Any]:
    return parse(text, Nothing(), encoder, NOW)
