# SPDX-License-Identifier: Apache-2.0
"""The manifest of a language pack: a sentence encoder with heads for what a sentence means."""

from typing import Literal

from pydantic import Field, model_validator

from jepa.packs.manifest import FileName, Manifest, Sha256, Strict
from jepa.packs.vision import LargeGraph


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
    """From here on something may be to be left as it is, and nothing is done."""
    protected: float = Field(ge=0, le=1)
    """From here on a word may be the name of what is to be left alone, and nothing is done."""
    doubted: float = Field(ge=0, le=1)
    """The least of an intent that changes something, where what is said could take it back."""
    withheld: float = Field(ge=0, le=1)
    """Below this probability that something is asked for now, nothing is done, but may be asked back."""
    asks: float = Field(ge=0, le=1)
    """From here on something is, though it is said in a way that could take it back."""
    offers: float = Field(ge=0, le=1)
    """The least for what was understood to be asked back, where it is not done."""
    surely: float = Field(ge=0, le=1)
    """The least of the tag of a target, where what is said could take it back."""


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
    provenance: Carrier
    graphs: dict[Literal["encoder"], LargeGraph]
