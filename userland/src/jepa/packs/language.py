# SPDX-License-Identifier: Apache-2.0
"""The manifest of a language pack: a sentence encoder with heads for what a sentence means."""

from typing import Literal, get_args

from pydantic import Field, model_validator

from jepa.packs.manifest import FileName, Manifest, Sha256, Strict
from jepa.packs.vision import LargeGraph

Sign = Literal[
    "asks",
    "wanted",
    "positive",
    "likely",
    "apart",
    "unsure_name",
    "unsure_spared",
    "prohibition",
    "negation",
    "left_out",
    "exception",
    "bare",
    "content",
    "part_spared",
    "adverb_spared",
    "contrast",
    "others",
    "clauses",
    "more",
    "unnamed",
    "no_place",
    "no_list",
    "no_object",
    "says_no",
    "spared",
]
"""What speaks for an act or against it; `jepa.language.gate` says what each is."""


class VocabularyFile(Strict):
    """The pieces of words, one a line."""

    file: FileName
    sha256: Sha256


class Heads(Strict):
    """What the graph's outputs say, in order."""

    intents: tuple[str, ...] = Field(min_length=2)
    """Intents with their operation, such as service/restart; those in ``refused`` mean that nothing is."""
    refused: tuple[str, ...] = Field(min_length=1)
    negated: str
    """That of ``refused`` which says that something is to be left as it is."""
    resources: tuple[str, ...] = Field(min_length=2)
    tags: tuple[str, ...] = Field(min_length=2)
    """What a word may be part of."""

    @model_validator(mode="after")
    def _fitting(self) -> "Heads":
        if not set(self.refused) <= set(self.intents):
            raise ValueError("refused must be among intents")
        if self.negated not in self.refused:
            raise ValueError("negated must be among refused")
        return self


class Thresholds(Strict):
    """From which probability on an answer is believed."""

    temperature: float = Field(gt=0)
    """What the graph's intents are divided by, so that they are probabilities."""
    refuse: float = Field(ge=0, le=1)
    """Of all that is refused together: from here on it is."""
    reads: float = Field(ge=0, le=1)
    """The least of an intent that changes nothing."""
    acts: float = Field(ge=0, le=1)
    """The least of one that changes something."""
    named: float = Field(ge=0, le=1)
    """The least of a tag, for a word to be taken for part of a name."""
    negated: float = Field(ge=0, le=1)
    """From here on a clause by itself asks for nothing."""
    offers: float = Field(ge=0, le=1)
    """The least probability that something is asked for now, for what is not done to be asked back."""


class ActGate(Strict):
    """How what the encoder is sure of is weighed against what rules find, before an act is done."""

    bias: float
    weights: dict[Sign, float]
    """What each sign counts; that of a rule is negative."""
    least: float = Field(ge=0, le=1)
    """From this probability on that it is what was asked for, an act is done; below, it is asked back."""

    @model_validator(mode="after")
    def _complete(self) -> "ActGate":
        if missing := set(get_args(Sign)) - set(self.weights):
            raise ValueError(f"weights lack {', '.join(sorted(missing))}")
        return self


class Carrier(Strict):
    """Where the encoder's weights come from."""

    package: str
    version: str
    sha256: Sha256
    """Of the file of weights in it."""
    trained: str
    data: str
    seed: int
    parameters: int


class LanguageManifest(Manifest):
    """The content of pack.toml."""

    kind: Literal["language"]
    results: FileName
    pieces: int = Field(ge=8, le=512)
    """Of a sentence, with start and end."""
    vocabulary: VocabularyFile
    heads: Heads
    thresholds: Thresholds
    gate: ActGate
    provenance: Carrier
    graphs: dict[Literal["encoder"], LargeGraph]
