# SPDX-License-Identifier: Apache-2.0
"""Finds thresholds and judges on persons left out of training; then trains on all."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

from jepa.language.encoder import Encoder as Hears
from jepa.language.inventory import Nothing
from jepa.language.parser import parse
from jepa.language.wordpiece import WordPiece
from jepa.packs.language import Thresholds
from jepa_lab.language import carrier, frames, told
from jepa_lab.language.calibrate import CHOSEN, calibrated
from jepa_lab.language.corpus import NOW, Sentence, sentences
from jepa_lab.language.examples import Example, Examples, fixed
from jepa_lab.language.judging import Answer, answers, measure
from jepa_lab.language.model import Encoder
from jepa_lab.language.rival import Rival
from jepa_lab.language.training import Recipe, Trained, judged, train

FOLDS: Final = (
    (
        *("carpenter", "chef", "pilot", "researcher", "sre_night", "translator"),
        *("detective", "publican", "stationmaster", "watchmaker"),
    ),
)
"""Persons by other hands than the grammar's, judged by an encoder trained on all others."""
RIVAL: Final = Thresholds(temperature=1.0, refuse=0.5, **CHOSEN)
RULES_ALONE: Final = {"asks": 1.0, "withheld": 0.0, "offers": 1.0}
"""Thresholds by which the head that hears what is asked for changes nothing."""
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
    """Figures on persons left out: by templates, with n-grams, with the encoder, and without one head."""
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


def develop(recipe: Recipe, tell: Callable[[str], None] = print, kept: Path | None = None) -> Developed:
    """Judge persons by encoders trained without them, then train on all; states are ``kept`` in a folder."""
    weights, pieces = material()
    every = for_training()
    intents = intents_of(fixed(every))

    def trained(given: Sequence[Sentence]) -> Encoder:
        file = None if kept is None else kept / f"{_fingerprint(given, intents, recipe)}.pt"
        return train(weights, given, pieces, intents, recipe, tell, file)

    parts = [
        ([e for e in every if e.person not in fold], [e for e in every if e.person in fold])
        for fold in FOLDS
    ]
    models = [trained(others) for others, _ in parts]
    looked = [fixed(apart) for _, apart in parts]
    logits = [
        judged(model, [example for _, example in of], pieces)
        for model, of in zip(models, looked, strict=True)
    ]
    thresholds = calibrated([each for of in looked for each in of], np.concatenate(logits), intents)
    unaided = thresholds.model_copy(update=RULES_ALONE)
    given: dict[str, list[Answer]] = {}
    for (others, apart), model in zip(parts, models, strict=True):
        drawn = Examples(others, recipe.seed).epoch(recipe.sorts)
        ways: dict[str, Hears | None] = {
            "templates": None,
            "ngrams": Rival(drawn, intents, RIVAL),
            "rules": Trained(model, pieces, intents, unaided),
            "encoder": Trained(model, pieces, intents, thresholds),
        }
        once = list({(each.person, each.template): each for each in apart}.values())
        for name, encoder in ways.items():
            given.setdefault(name, []).extend(answers(once, partial(_parse, encoder=encoder)))
    rows = [{**row, "name": f"{row['name']}_{name}"} for name, of in given.items() for row in measure(of)]
    for row in rows:
        tell(f"{row['name']}: {row['value']}")
    arrays = {name: value.detach().numpy() for name, value in trained(every).state_dict().items()}
    templates = len({(each.template, each.person) for each in every})
    persons = len({each.person for each in every})
    return Developed(
        arrays,
        intents,
        thresholds,
        rows,
        f"{templates} templates of {persons} files, and what follows from them",
    )


def _fingerprint(given: Sequence[Sentence], intents: Sequence[str], recipe: Recipe) -> str:
    """Of all that a training depends on but code."""
    content = repr(
        (
            recipe,
            tuple(intents),
            [(e.person, e.text, e.meanings) for e in given],
            (frames.all_of(), told.DEEDS, told.TOLD, told.ASKED),
        )
    )
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _parse(text: str, encoder: Hears | None) -> dict[str, Any]:
    return parse(text, Nothing(), encoder, NOW)
