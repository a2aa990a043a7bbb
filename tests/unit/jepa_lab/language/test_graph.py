# SPDX-License-Identifier: Apache-2.0
"""The graph says what the model in PyTorch says."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from jepa.packs.vision import Stored
from jepa_lab.language.graph import write_encoder
from jepa_lab.language.model import Encoder
from jepa_lab.language.shape import LAYERS, LINEARS, WIDTH

WORDS, PLACES, PIECES = 50, 64, 12


def weights() -> dict[str, torch.Tensor]:
    torch.manual_seed(3)
    found = {
        "embeddings.word_embeddings.weight": torch.randn(WORDS, WIDTH) * 0.1,
        "embeddings.position_embeddings.weight": torch.randn(PLACES, WIDTH) * 0.1,
        "embeddings.token_type_embeddings.weight": torch.randn(2, WIDTH) * 0.1,
    }
    norms = ["embeddings.LayerNorm"]
    for layer in range(LAYERS):
        prefix = f"encoder.layer.{layer}"
        norms += [f"{prefix}.attention.output.LayerNorm", f"{prefix}.output.LayerNorm"]
        for linear in LINEARS:
            wide = {"intermediate.dense": (4 * WIDTH, WIDTH), "output.dense": (WIDTH, 4 * WIDTH)}
            shape = wide.get(linear, (WIDTH, WIDTH))
            found[f"{prefix}.{linear}.weight"] = torch.randn(shape) * 0.05
            found[f"{prefix}.{linear}.bias"] = torch.randn(shape[0]) * 0.05
    for name in norms:
        found[f"{name}.weight"] = 1 + torch.randn(WIDTH) * 0.1
        found[f"{name}.bias"] = torch.randn(WIDTH) * 0.1
    return found


@pytest.mark.parametrize(("stored", "cosine"), [("fp32", 0.999999), ("int8", 0.997)])
def test_the_graph_says_what_the_model_says(tmp_path: Path, stored: Stored, cosine: float) -> None:
    own = weights()
    model = Encoder(own, 7, 5, 4, 4).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.05)
    trained = {name: value.detach().numpy() for name, value in model.state_dict().items()}
    numbers = {name: value.numpy() for name, value in own.items()}
    graph = write_encoder(tmp_path, numbers, trained, PIECES, {}, stored)
    session = onnxruntime.InferenceSession(graph.path)
    for length in (2, 9, PIECES):  # the model pads a batch; the graph is asked as long as a sentence is
        ids = np.arange(length)[None] % WORDS
        came = session.run(["intents", "resources", "tags", "asks"], {"ids": ids})
        padded = np.zeros((1, PIECES), np.int64)
        padded[:, :length] = ids
        inside = torch.from_numpy((np.arange(PIECES) < length).astype(np.float32)[None])
        with torch.no_grad():
            wanted = model(torch.from_numpy(padded), inside)
        pairs = zip(
            came, (wanted.intents, wanted.resources, wanted.tags[:, :length], wanted.asks), strict=True
        )
        for one, other in pairs:
            one, two = one.ravel(), other.numpy().ravel()
            assert one @ two / np.linalg.norm(one) / np.linalg.norm(two) > cosine


def test_the_same_weights_make_the_same_bytes(tmp_path: Path) -> None:
    numbers = {name: value.numpy() for name, value in weights().items()}
    model = Encoder(weights(), 7, 5, 4, 4)
    trained = {name: value.detach().numpy() for name, value in model.state_dict().items()}
    made = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        graph = write_encoder(tmp_path / name, numbers, trained, PIECES, {})
        made.append((graph.path.read_bytes(), graph.data.read_bytes()))
    assert made[0] == made[1]
