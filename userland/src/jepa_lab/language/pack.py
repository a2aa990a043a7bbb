# SPDX-License-Identifier: Apache-2.0
"""Makes the language pack from the carrier's weights and what was trained."""

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from jepa.errors import JepaError
from jepa.packs.language import ActGate, Carrier, Heads, LanguageManifest, Thresholds, VocabularyFile
from jepa.packs.pack import read_manifest
from jepa.packs.vision import LargeGraph
from jepa_lab.language import carrier
from jepa_lab.language.graph import write_encoder
from jepa_lab.vjepa2.graph import OPSET

PACK: Final = Path("model-packs/language")
TRAINED: Final = "trained.safetensors"
VOCABULARY: Final = "vocab.txt"
PIECES: Final = 40
FloatArray = npt.NDArray[np.float32]


def build(folder: Path = PACK) -> LanguageManifest:
    """Write the graph and the vocabulary into ``folder``, and hold them against its manifest.

    JepaError when they are not what the manifest names: then the conversion has changed, or the weights.
    """
    manifest = read_manifest(folder)
    if not isinstance(manifest, LanguageManifest):
        raise JepaError(f"The pack {folder} is for {manifest.kind}, not for language.", "Name another.")
    for name, (wanted, came) in _differences(manifest, write(folder)).items():
        if wanted != came:
            raise JepaError(f"{name} came out as {came[:12]}, not {wanted[:12]}.", "Train the pack again.")
    return manifest


def write(folder: Path) -> dict[str, str]:
    """The files of the pack that are too large to be kept, made anew; their digests by name."""
    from safetensors.numpy import load_file

    weights, vocabulary = carrier.bring()
    graph = write_encoder(
        folder, load_file(weights), read_trained(folder), PIECES, {"jepa.pack": "language"}
    )
    shutil.copyfile(vocabulary, folder / VOCABULARY)
    return {path.name: _digest(path) for path in (graph.path, graph.data, folder / VOCABULARY)}


def read_trained(folder: Path) -> dict[str, FloatArray]:
    """What was trained, by its names in the model; kept in halves."""
    from safetensors.numpy import load_file

    return {name: array.astype(np.float32) for name, array in load_file(folder / TRAINED).items()}


def keep_trained(folder: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write what was trained, in halves: rounding them changes less than a byte of a weight does."""
    from safetensors.numpy import save_file

    save_file(
        {name: np.asarray(array, np.float16) for name, array in sorted(arrays.items())}, folder / TRAINED
    )


def _differences(manifest: LanguageManifest, came: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    graph = manifest.graphs["encoder"]
    wanted = {
        graph.file: graph.sha256,
        graph.data: graph.data_sha256,
        manifest.vocabulary.file: manifest.vocabulary.sha256,
    }
    return {name: (digest, came.get(name, "nothing")) for name, digest in wanted.items()}


def manifest_of(
    version: str,
    digests: Mapping[str, str],
    heads: Heads,
    thresholds: Thresholds,
    gate: ActGate,
    provenance: Carrier,
) -> LanguageManifest:
    """The manifest of a pack whose files have these ``digests``."""
    return LanguageManifest(
        name="language",
        version=version,
        kind="language",
        licence="Apache-2.0",
        card="CARD.md",
        results="results/development.json",
        pieces=PIECES,
        vocabulary=VocabularyFile(file=VOCABULARY, sha256=digests[VOCABULARY]),
        heads=heads,
        thresholds=thresholds,
        gate=gate,
        provenance=provenance,
        graphs={
            "encoder": LargeGraph(
                file="encoder.onnx",
                sha256=digests["encoder.onnx"],
                data="encoder.onnx.data",
                data_sha256=digests["encoder.onnx.data"],
                opset=OPSET,
            )
        },
    )


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
