# SPDX-License-Identifier: Apache-2.0
"""The language pack at work: from words to the probabilities of what they mean."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from jepa.errors import JepaError
from jepa.language.wordpiece import WordPiece
from jepa.packs.language import ActGate, LanguageManifest, Thresholds
from jepa.packs.pack import first_of_kind, read_manifest, verified_graph
from jepa.world.sessions import open_session

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

_AGAIN = "Install it again."


@dataclass(frozen=True, slots=True)
class Heard:
    """What the encoder makes of some words; every number is a probability."""

    intents: Mapping[str, float]
    """Of each intent with its operation that could be meant, as ``service/restart``."""
    refused: float
    """That nothing is meant that could be done here."""
    negated: float
    """That something is to be left as it is; part of ``refused``."""
    resources: Mapping[str, float]
    """Of each resource, and of ``none``."""
    tags: tuple[Mapping[str, float], ...]
    """For each word, of what it may be part of: none, target, protect, goal."""
    asks: float
    """That something is asked for now; not that it is negated, told of, imagined, or done already."""
    rare: tuple[bool, ...] = ()
    """For each word whether the vocabulary has it in parts alone, as most names and misspelt words."""


class Encoder(Protocol):
    """Tells what words mean."""

    @property
    def thresholds(self) -> Thresholds:
        """From where on it is believed."""

    @property
    def gate(self) -> ActGate:
        """What an act needs to be done."""

    def hear(self, words: Sequence[str]) -> Heard | None:
        """What ``words`` mean; None where they are too many."""


class PackedEncoder:
    """That of a pack, on one core; its graph is read when it is first asked."""

    def __init__(self, folder: Path, manifest: LanguageManifest) -> None:
        self._folder, self._manifest = folder, manifest

    @classmethod
    def load(cls, folder: Path) -> "PackedEncoder":
        """The pack in ``folder``; JepaError when it is none for language, or damaged."""
        manifest = read_manifest(folder)
        if not isinstance(manifest, LanguageManifest):
            raise JepaError(f"The pack {folder} is for {manifest.kind}, not for language.", _AGAIN)
        return cls(folder, manifest)

    @property
    def thresholds(self) -> Thresholds:
        """From where on it is believed."""
        return self._manifest.thresholds

    @property
    def gate(self) -> ActGate:
        """What an act needs to be done."""
        return self._manifest.gate

    @cached_property
    def _session(self) -> "InferenceSession":
        graph = verified_graph(self._folder, self._manifest.graphs["encoder"])
        return open_session(graph, f"{self._manifest.name}/encoder")

    @cached_property
    def _pieces(self) -> WordPiece:
        file = self._folder / self._manifest.vocabulary.file
        try:
            content = file.read_bytes()
        except OSError as error:
            raise JepaError(f"{file} cannot be read: {error.strerror}.", _AGAIN) from error
        if hashlib.sha256(content).hexdigest() != self._manifest.vocabulary.sha256:
            raise JepaError(f"{file} is not the file that its manifest names.", _AGAIN)
        return WordPiece(content.decode().splitlines())

    def hear(self, words: Sequence[str]) -> Heard | None:
        """What ``words`` mean; None where they are too many. JepaError when the pack is damaged."""
        own, firsts = self._pieces.encode(words)
        if len(own) > self._manifest.pieces:
            return None
        ids = np.array([own], np.int64)
        outputs = self._session.run(["intents", "resources", "tags", "asks"], {"ids": ids})
        heads = self._manifest.heads
        intents = dict(
            zip(heads.intents, _softmax(outputs[0][0] / self.thresholds.temperature).tolist(), strict=True)
        )
        negated = intents[heads.negated]
        refused = sum(intents.pop(name) for name in heads.refused)
        tags = _softmax(outputs[2][0])
        return Heard(
            intents,
            refused,
            negated,
            dict(zip(heads.resources, _softmax(outputs[1][0]).tolist(), strict=True)),
            tuple(dict(zip(heads.tags, tags[at].tolist(), strict=True)) for at in firsts),
            float(1 / (1 + np.exp(-outputs[3][0, 0]))),
            in_parts(words, firsts, len(own)),
        )


def in_parts(words: Sequence[str], firsts: Sequence[int], pieces: int) -> tuple[bool, ...]:
    """Which ``words`` of letters alone are more than one of ``pieces``; each begins at one of ``firsts``."""
    ends = (*firsts[1:], pieces - 1)
    return tuple(
        word.isalpha() and end > first + 1 for word, first, end in zip(words, firsts, ends, strict=True)
    )


def _softmax(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Over the last axis."""
    power = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(power / power.sum(-1, keepdims=True), np.float32)


def try_pack(folder: Path) -> None:
    """Have the pack in ``folder`` hear a sentence; JepaError says why it cannot."""
    try:
        PackedEncoder.load(folder).hear(("restart", "the", "web", "server"))
    except JepaError:
        raise
    except Exception as error:  # whatever is wrong with it, the one in use goes on
        raise JepaError(
            f"The pack failed its check: {' '.join(str(error).split())[:300]}.",
            "Ask whoever made the pack.",
            status=409,
        ) from error


def installed_encoder() -> PackedEncoder | None:
    """The encoder of the language pack that is here; None where there is none.

    JepaError when it is damaged.
    """
    folder = first_of_kind("language")
    return None if folder is None else PackedEncoder.load(folder)
