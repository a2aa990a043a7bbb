# SPDX-License-Identifier: Apache-2.0
"""Finds thresholds and judges on persons left out of training; then trains on all."""

import hashlib
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

from jepa.language.encoder import PackedEncoder
from jepa.language.inventory import Nothing
from jepa.language.parser import parse
from jepa.language.wordpiece import WordPiece
from jepa.packs.language import ActGate, LanguageManifest, Thresholds
from jepa.packs.pack import read_manifest
from jepa_lab.language import carrier, dialects, frames, told
from jepa_lab.language.calibrate import CHOSEN, calibrated
from jepa_lab.language.corpus import NOW, Sentence, sentences, writers_of
from jepa_lab.language.examples import Example, Examples, fixed
from jepa_lab.language.gating import (
    OPEN,
    Gated,
    Hears,
    cases,
    crossed,
    curve,
    fitted,
    probabilities,
)
from jepa_lab.language.judging import Answer, answers, measure
from jepa_lab.language.model import Encoder
from jepa_lab.language.pack import read_trained
from jepa_lab.language.rival import Rival
from jepa_lab.language.training import Recipe, Trained, judged, train

HELD: Final = ("sixth", "seventh")
"""Writers whose persons are judged by an encoder trained on all others."""
NEWEST: Final = ("tenth", "eleventh", "twelfth", "thirteenth", "fourteenth")
"""Writers whose persons the pack that is here was not trained on."""
HINTS: Final = "hints"
"""Sentences that were written to be trained on with them."""
OLDER: Final = 0.4
"""The share of the templates that a pack knows already which it is trained on with the newest ones."""
LEAST: Final = 0.5
"""Of the probability that an act was asked for; chosen by the curve of intents against acts on them."""
LEASTS: Final = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Those of the curve."""
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
    gate: ActGate
    rows: list[dict[str, Any]]
    """Figures on writers left out: by templates, with n-grams, with the encoder."""
    curve: list[dict[str, float]]
    """On the same: intents against acts, by what an act needs."""
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

    writers = writers_of()
    others = [each for each in every if writers.get(each.person) not in HELD]
    apart = list({(e.person, e.template): e for e in every if writers.get(e.person) in HELD}.values())
    model = trained(others)
    looked = fixed(apart)
    thresholds = calibrated(looked, judged(model, [example for _, example in looked], pieces), intents)
    encoder = Trained(model, pieces, intents, thresholds)
    drawn = Examples(others, recipe.seed).epoch(recipe.sorts)
    given = {
        "templates": answers(apart, partial(parse, inventory=Nothing(), now=NOW)),
        "ngrams": _answers(apart, Rival(drawn, intents, RIVAL), writers),
        "encoder": _answers(apart, encoder, writers),
    }
    rows = [{**row, "name": f"{row['name']}_{name}"} for name, of in given.items() for row in measure(of)]
    for row in rows:
        tell(f"{row['name']}: {row['value']}")
    found = cases(apart, Gated(encoder, OPEN))
    gate = fitted(found, LEAST)
    through = answers(apart, partial(parse, inventory=Nothing(), encoder=Gated(encoder, OPEN), now=NOW))
    points = curve(through, probabilities(found, crossed(found, writers.__getitem__), writers), LEASTS)
    arrays = {name: value.detach().numpy() for name, value in trained(every).state_dict().items()}
    templates = len({(each.template, each.person) for each in every})
    persons = len({each.person for each in every})
    return Developed(
        arrays,
        intents,
        thresholds,
        gate,
        rows,
        points,
        f"{templates} templates of {persons} files, and what follows from them",
    )


def go_on(
    recipe: Recipe, start: Path, tell: Callable[[str], None] = print, kept: Path | None = None
) -> Developed:
    """Judge the pack in ``start`` on the newest persons, then train it on, with these twice an epoch.

    What is judged is the pack as it was: it knows none of them. No writer is left who could judge what is
    trained, and so none to fit a gate on: that of ``start`` stays. One fitted on what ``start`` hears here
    takes for doubtful what is heard well afterwards.
    """
    weights, pieces = material()
    manifest = read_manifest(start)
    assert isinstance(manifest, LanguageManifest), start
    before = {name: torch.from_numpy(array) for name, array in read_trained(start).items()}
    every, writers = for_training(), writers_of()
    apart = [each for each in every if writers.get(each.person) in NEWEST]
    new = [each for each in every if _is_new(each, writers)]
    again = [replace(each, person=f"{each.person} again") for each in new]
    older = _share([each for each in every if not _is_new(each, writers)], OLDER, recipe.seed)
    intents = manifest.heads.intents
    given_to_it = [*older, *new, *again]
    file = None if kept is None else kept / f"{_fingerprint(given_to_it, intents, recipe)}.pt"
    model = train(weights, given_to_it, pieces, intents, recipe, tell, file, before)
    hears = PackedEncoder.load(start)
    first = _some(apart, 1, 1)
    given = {
        "templates": answers(first, partial(parse, inventory=Nothing(), now=NOW)),
        "encoder": answers(first, partial(parse, inventory=Nothing(), encoder=hears, now=NOW)),
    }
    rows = [{**row, "name": f"{row['name']}_{name}"} for name, of in given.items() for row in measure(of)]
    for row in rows:
        tell(f"{row['name']}: {row['value']}")
    through = answers(first, partial(parse, inventory=Nothing(), encoder=Gated(hears, OPEN), now=NOW))
    gates = dict.fromkeys(NEWEST, manifest.gate)
    points = curve(through, probabilities(cases(first, Gated(hears, OPEN)), gates, writers), LEASTS)
    templates = len({(each.template, each.person) for each in (*older, *new)})
    persons = len({each.person for each in every})
    return Developed(
        {name: value.detach().numpy() for name, value in model.state_dict().items()},
        intents,
        manifest.thresholds,
        manifest.gate,
        rows,
        points,
        f"{templates} templates of {persons} files, and what follows from them; on from {manifest.version}",
    )


def _share(of: Sequence[Sentence], share: float, seed: int) -> list[Sentence]:
    """All fillings of so many of the templates, drawn."""
    templates = sorted({(each.person, each.template) for each in of})
    chance = random.Random(seed)
    kept = set(chance.sample(templates, round(share * len(templates))))
    return [each for each in of if (each.person, each.template) in kept]


def _is_new(sentence: Sentence, writers: Mapping[str, str]) -> bool:
    return writers.get(sentence.person) in NEWEST or sentence.person == HINTS


def _some(of: Sequence[Sentence], wishes: int = 1, others: int = 3) -> list[Sentence]:
    """So many fillings of each template, and of those that negate or spare something."""
    taken: dict[tuple[str, str], int] = {}
    found = []
    for each in of:
        most = others if each.kind in ("negated", "protected") else wishes
        key = (each.person, each.template)
        if taken.get(key, 0) < most:
            taken[key] = taken.get(key, 0) + 1
            found.append(each)
    return found


def _fingerprint(given: Sequence[Sentence], intents: Sequence[str], recipe: Recipe) -> str:
    """Of all that a training depends on but code."""
    content = repr(
        (
            recipe,
            tuple(intents),
            [(e.person, e.text, e.meanings) for e in given],
            (frames.all_of(), told.DEEDS, told.TOLD, told.ASKED, dialects.SOURCE),
        )
    )
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _answers(apart: Sequence[Sentence], hears: Hears, writers: Mapping[str, str]) -> list[Answer]:
    """What comes of sentences, each by a gate that was fitted on those of other writers."""
    gates = crossed(cases(apart, Gated(hears, OPEN)), writers.__getitem__)
    return [
        answer
        for writer, gate in gates.items()
        for answer in answers(
            [each for each in apart if writers[each.person] == writer],
            partial(
                parse,
                inventory=Nothing(),
                encoder=Gated(hears, gate.model_copy(update={"least": LEAST})),
                now=NOW,
            ),
        )
    ]
