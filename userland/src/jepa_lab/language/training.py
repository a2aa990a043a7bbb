# SPDX-License-Identifier: Apache-2.0
"""Trains the changes of the encoder and its heads on examples."""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from jepa.language.encoder import Heard, in_parts
from jepa.language.wordpiece import WordPiece
from jepa.packs.language import Thresholds
from jepa_lab.language.corpus import Sentence
from jepa_lab.language.dialects import said_otherwise
from jepa_lab.language.examples import SORTS, Example, Examples, Sorts
from jepa_lab.language.model import Encoder, Outputs
from jepa_lab.language.shape import NEGATED, REFUSED, RESOURCES, TAGS

LONGEST: Final = 40
"""Pieces of a sentence, with start and end; a longer one is cut."""
FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How it is trained."""

    epochs: int = 12
    """In each of them everything is filled, and said, anew."""
    batch: int = 64
    rate: float = 7e-4
    """Of the low-rank changes; heads learn three times as fast."""
    rank: int = 16
    sorts: Sorts = SORTS
    resource_weight: float = 0.5
    tag_weight: float = 1.0
    asks_weight: float = 1.0
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Seen:
    """An example in pieces."""

    example: Example
    pieces: list[int]
    firsts: list[int]
    """Where the first piece of each word stands."""


def seen(examples: Sequence[Example], pieces: WordPiece) -> list[Seen]:
    """``examples`` in pieces; what is too long is cut."""
    encoded = [(each, *pieces.encode(each.words)) for each in examples]
    return [
        Seen(example, own[:LONGEST], [first for first in firsts if first < LONGEST])
        for example, own, firsts in encoded
    ]


def padded(batch: Sequence[Seen]) -> tuple[Tensor, Tensor]:
    """Numbers of pieces (B, T), and a mask of those that are of a sentence."""
    length = max(len(each.pieces) for each in batch)
    ids = torch.zeros(len(batch), length, dtype=torch.long)
    mask = torch.zeros(len(batch), length)
    for row, each in enumerate(batch):
        ids[row, : len(each.pieces)] = torch.tensor(each.pieces)
        mask[row, : len(each.pieces)] = 1
    return ids, mask


def loss_of(model: Encoder, batch: Sequence[Seen], intents: Sequence[str], recipe: Recipe) -> Tensor:
    """The mean loss of a batch: any right intent, any right resource, the tag of each word."""
    ids, mask = padded(batch)
    # In halves: rounding changes less than a byte of a weight does, and it takes half the time.
    with torch.autocast("cpu", torch.bfloat16):
        raw = model(ids, mask)
    out = Outputs(raw.intents.float(), raw.resources.float(), raw.tags.float(), raw.asks.float())
    examples = [each.example for each in batch]
    weight = torch.tensor([each.weight for each in examples])
    loss = (_any_of(out.intents, intents, [each.labels for each in examples]) * weight).sum()
    known = torch.tensor([bool(each.resources) for each in examples])
    resources = [each.resources or frozenset(("none",)) for each in examples]
    loss = (
        loss + recipe.resource_weight * (_any_of(out.resources, RESOURCES, resources) * weight * known).sum()
    )
    asks = torch.tensor([float(each.asks or False) for each in examples])
    told = torch.tensor([each.asks is not None for each in examples])
    missed = functional.binary_cross_entropy_with_logits(out.asks[:, 0], asks, reduction="none")
    loss = loss + recipe.asks_weight * (missed * weight * told).sum()
    wanted = torch.full(mask.shape, -100)
    for row, each in enumerate(batch):
        if each.example.tags is not None:
            wanted[row, each.firsts] = torch.tensor(each.example.tags[: len(each.firsts)])
    tags = functional.cross_entropy(out.tags.transpose(1, 2), wanted, reduction="none")
    counted = (wanted >= 0).sum(1).clamp(min=1)
    loss = loss + recipe.tag_weight * (tags.sum(1) / counted * weight).sum()
    return loss / weight.sum()


def _any_of(logits: Tensor, names: Sequence[str], right: Sequence[frozenset[str]]) -> Tensor:
    """Minus the logarithm of the probability of all that is right, by row; a little is left to others."""
    allowed = torch.tensor([[name in of for name in names] for of in right])
    logs = logits.log_softmax(-1)
    hit = logs.masked_fill(~allowed, -torch.inf).logsumexp(-1)
    return -0.95 * hit - 0.05 * logs.mean(-1)


def train(
    weights: Mapping[str, Tensor],
    sentences: Sequence[Sentence],
    pieces: WordPiece,
    intents: Sequence[str],
    recipe: Recipe,
    tell: Callable[[str], None] = print,
    kept: Path | None = None,
    start: Mapping[str, Tensor] | None = None,
) -> Encoder:
    """The encoder, trained on ``sentences``; its state after each epoch is ``kept``, and gone on from.

    It goes on from the changes and heads in ``start``, where there are any.
    """
    torch.manual_seed(recipe.seed)
    model = Encoder(weights, len(intents), len(RESOURCES), len(TAGS), recipe.rank)
    if start is not None:
        model.load_state_dict(dict(start))
    heads = [model.intents, model.resources, model.tags, model.asks]
    groups = [
        {"params": list(model.adapters.parameters()), "lr": recipe.rate, "weight_decay": 0.01},
        {
            "params": [each for head in heads for each in head.parameters()],
            "lr": 3 * recipe.rate,
            "weight_decay": 0.01,
        },
    ]
    optimizer = torch.optim.AdamW(groups)
    chance = np.random.default_rng(recipe.seed)
    peaks = (recipe.rate, 3 * recipe.rate)
    before = 0
    if kept is not None and kept.exists():
        before = _restored(torch.load(kept), model, optimizer, chance)
        tell(f"goes on behind epoch {before} of {kept}")
    if before >= recipe.epochs:
        return model.eval()
    for epoch in range(before, recipe.epochs):
        examples = Examples(sentences, recipe.seed + epoch).epoch(recipe.sorts)
        speaker = random.Random(recipe.seed + epoch)
        drawn = seen([said_otherwise(each, speaker) for each in examples], pieces)
        batches = _batches(drawn, recipe.batch, chance)
        total = 0.0
        model.train()
        for at, batch in enumerate(batches):
            done = (epoch + at / len(batches)) / recipe.epochs
            share = min(1.0, done / 0.05) * 0.5 * (1 + math.cos(math.pi * done))
            for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                group["lr"] = peak * share
            loss = loss_of(model, batch, intents, recipe)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            total += loss.item()
        tell(f"epoch {epoch + 1} of {recipe.epochs}: {len(drawn)} examples, loss {total / len(batches):.3f}")
        if kept is not None:
            _keep(kept, epoch + 1, model, optimizer, chance)
    return model.eval()


def _keep(
    file: Path, epochs: int, model: Encoder, optimizer: torch.optim.Optimizer, chance: np.random.Generator
) -> None:
    state = {
        "epochs": epochs,
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "torch": torch.get_rng_state(),
        "numpy": chance.bit_generator.state,
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, file.with_suffix(".new"))
    file.with_suffix(".new").replace(file)


def _restored(
    state: dict[str, Any], model: Encoder, optimizer: torch.optim.Optimizer, chance: np.random.Generator
) -> int:
    """Put back what was kept; how many epochs are behind it."""
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    torch.set_rng_state(state["torch"])
    chance.bit_generator.state = state["numpy"]
    return int(state["epochs"])


def _batches(examples: list[Seen], size: int, chance: np.random.Generator) -> list[list[Seen]]:
    """Examples of about one length together, in random order."""
    order = sorted(range(len(examples)), key=lambda at: len(examples[at].pieces) + 3 * chance.random())
    batches = [[examples[at] for at in order[start : start + size]] for start in range(0, len(order), size)]
    return [batches[at] for at in chance.permutation(len(batches))]


def judged(model: Encoder, examples: Sequence[Example], pieces: WordPiece) -> FloatArray:
    """(N, intents) logits."""
    with torch.no_grad():
        every = seen(examples, pieces)
        parts = [model(*padded(every[start : start + 64])).intents for start in range(0, len(every), 64)]
    return torch.cat(parts).numpy()


class Trained:
    """A trained encoder that hears, as that of a pack does."""

    def __init__(
        self, model: Encoder, pieces: WordPiece, intents: Sequence[str], thresholds: Thresholds
    ) -> None:
        self._model, self._pieces, self._intents = model, pieces, tuple(intents)
        self.thresholds = thresholds

    def hear(self, words: Sequence[str]) -> Heard | None:
        """What ``words`` mean; None where they are too many."""
        if len(self._pieces.encode(words)[0]) > LONGEST:
            return None
        example = Example(tuple(words), frozenset(), frozenset(), None)
        with torch.no_grad():
            own = seen([example], self._pieces)
            out = self._model(*padded(own))
        shares = (out.intents[0] / self.thresholds.temperature).softmax(-1).tolist()
        intents = dict(zip(self._intents, shares, strict=True))
        negated = intents[NEGATED]
        refused = sum(intents.pop(name) for name in REFUSED)
        tags = out.tags[0, own[0].firsts].softmax(-1).tolist()
        return Heard(
            intents,
            refused,
            negated,
            dict(zip(RESOURCES, out.resources[0].softmax(-1).tolist(), strict=True)),
            tuple(dict(zip(TAGS, row, strict=True)) for row in tags),
            float(out.asks[0, 0].sigmoid()),
            in_parts(words, own[0].firsts, len(own[0].pieces)),
        )
