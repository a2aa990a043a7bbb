# SPDX-License-Identifier: Apache-2.0
"""What the graphs say is what transformers says, and what the acting predictor's description says."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
import pytest
import torch

from jepa_lab.vjepa2 import stack
from jepa_lab.vjepa2.checkpoint import Checkpoint, open_checkpoint
from jepa_lab.vjepa2.graph import GraphWriter
from jepa_lab.vjepa2.graphs import write_acting_predictor, write_encoder, write_predictor, write_probe
from tests.unit.jepa_lab.vjepa2 import tiny
from tests.unit.jepa_lab.vjepa2.acting_reference import ActingPredictor

if TYPE_CHECKING:
    from transformers import VJEPA2Model


@pytest.fixture(scope="module")
def model() -> "VJEPA2Model":
    return tiny.model()


@pytest.fixture(scope="module", params=["original", "huggingface"])
def checkpoint(
    request: pytest.FixtureRequest, model: "VJEPA2Model", tmp_path_factory: pytest.TempPathFactory
) -> Checkpoint:
    folder = tmp_path_factory.mktemp("checkpoint")
    if request.param == "original":
        return open_checkpoint(tiny.write_file(tiny.original_layout(model), folder / "vit.pt"))
    model.save_pretrained(folder)
    return open_checkpoint(folder)


@pytest.fixture(params=[stack.AT_ONCE, (12, 20)])
def at_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of the few tokens here, or so few that they take several parts, the last a smaller one."""
    monkeypatch.setattr(stack, "AT_ONCE", request.param)


def run(graph: GraphWriter, **inputs: np.ndarray) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    result: np.ndarray = onnxruntime.InferenceSession(graph.path, options).run(None, inputs)[0]
    return result


def worst_cosine(one: np.ndarray, other: np.ndarray) -> float:
    lengths = np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1)
    return float(((one * other).sum(-1) / lengths).min())


@pytest.mark.usefixtures("at_once")
def test_the_encoder_is_that_of_transformers(
    checkpoint: Checkpoint, model: "VJEPA2Model", tmp_path: Path
) -> None:
    graph = write_encoder(tmp_path, checkpoint, checkpoint.architecture, tiny.FRAMES, tiny.CROP, {})
    clip = torch.randn(1, tiny.FRAMES, 3, tiny.CROP, tiny.CROP)
    with torch.no_grad():
        wanted = model(clip, skip_predictor=True).last_hidden_state.numpy()
    said = run(graph, pixel_values=clip.numpy())
    assert worst_cosine(said, wanted) >= 0.9999
    np.testing.assert_allclose(said, wanted, atol=1e-4)


@pytest.mark.usefixtures("at_once")
def test_the_predictor_is_that_of_transformers_whatever_is_masked(
    checkpoint: Checkpoint, model: "VJEPA2Model", tmp_path: Path
) -> None:
    grid = checkpoint.architecture.grid(tiny.FRAMES, tiny.CROP)
    graph = write_predictor(tmp_path, checkpoint, checkpoint.architecture, (40, 24), grid, {})
    clip = torch.randn(1, tiny.FRAMES, 3, tiny.CROP, tiny.CROP)
    places = torch.randperm(64)
    known, wanted = places[:40].sort().values, places[40:]
    with torch.no_grad():
        output = model(clip, context_mask=[known[None]], target_mask=[wanted[None]])
    said = run(
        graph,
        context=output.masked_hidden_state.numpy(),
        context_at=known.numpy(),
        target_at=wanted.numpy(),
    )
    assert worst_cosine(said, output.predictor_output.last_hidden_state.numpy()) >= 0.9999


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(("batch", "frames"), [(5, 1), (2, 3)])
def test_the_acting_predictor_is_as_described(
    model: "VJEPA2Model", tmp_path: Path, batch: int, frames: int
) -> None:
    torch.manual_seed(1)
    grid = tiny.CROP // 16
    reference = ActingPredictor(128, 128, 2, 2, 7, grid).eval()
    content = tiny.original_layout(model)
    content["predictor"] = {f"module.{key}": value for key, value in reference.state_dict().items()}
    checkpoint = open_checkpoint(tiny.write_file(content, tmp_path / "ac.pt"))
    assert checkpoint.architecture.actions == 7
    graph = write_acting_predictor(
        tmp_path, checkpoint, checkpoint.architecture, frames, tiny.CROP, batch, {}
    )
    tokens = torch.randn(batch, frames * grid**2, 128)
    actions, states = torch.randn(batch, frames, 7), torch.randn(batch, frames, 7)
    with torch.no_grad():
        wanted = reference(tokens, actions, states).numpy()
    said = run(graph, tokens=tokens.numpy(), actions=actions.numpy(), states=states.numpy())
    assert worst_cosine(said, wanted) >= 0.9999
    # The same course is best, whichever of the two imagines it.
    goal = np.random.default_rng(0).normal(size=wanted.shape[1:])
    assert np.abs(said - goal).mean((1, 2)).argmin() == np.abs(wanted - goal).mean((1, 2)).argmin()


def test_no_node_holds_a_score_of_every_pair_of_tokens(checkpoint: Checkpoint, tmp_path: Path) -> None:
    import onnx

    graph = write_encoder(tmp_path, checkpoint, checkpoint.architecture, tiny.FRAMES, tiny.CROP, {})
    kinds = {node.op_type for node in onnx.load(graph.path, load_external_data=False).graph.node}
    assert "MultiHeadAttention" in kinds
    assert "Softmax" not in kinds
    assert graph.path.stat().st_size < graph.data.stat().st_size, "weights lie beside the graph"


def test_the_probe_is_that_of_transformers(tmp_path: Path) -> None:
    classifier = tiny.classifier()
    classifier.save_pretrained(tmp_path / "hf")
    checkpoint = open_checkpoint(tmp_path / "hf")
    assert checkpoint.labels == ("waving", "falling", "nothing")
    grid = checkpoint.architecture.grid(tiny.FRAMES, tiny.CROP)
    encoder = write_encoder(tmp_path, checkpoint, checkpoint.architecture, tiny.FRAMES, tiny.CROP, {})
    probe = write_probe(tmp_path, checkpoint, checkpoint.architecture, grid, {})
    clip = torch.randn(1, tiny.FRAMES, 3, tiny.CROP, tiny.CROP)
    with torch.no_grad():
        wanted = classifier(clip).logits.numpy()
    tokens = run(encoder, pixel_values=clip.numpy())
    np.testing.assert_allclose(run(probe, last_hidden_state=tokens), wanted, atol=1e-4)


def test_a_probe_of_metas_beside_its_encoder_is_what_the_same_weights_are_in_transformers(
    model: "VJEPA2Model", tmp_path: Path
) -> None:
    # Meta's probes have sixteen heads and another epsilon.
    classifier = tiny.classifier(num_attention_heads=16, layer_norm_eps=1e-5)
    file = tiny.write_file(tiny.original_layout(model), tmp_path / "vit.pt")
    torch.save({"classifiers": [tiny.original_probe(classifier)], "epoch": 20}, tmp_path / "probe.pt")
    checkpoint = open_checkpoint(file, tmp_path / "probe.pt")
    assert checkpoint.labels == ()
    grid = checkpoint.architecture.grid(tiny.FRAMES, tiny.CROP)
    probe = write_probe(tmp_path, checkpoint, checkpoint.architecture, grid, {})
    tokens = torch.randn(1, int(np.prod(grid)), 128)
    with torch.no_grad():
        wanted = classifier.classifier(classifier.pooler(tokens)).numpy()
    np.testing.assert_allclose(run(probe, last_hidden_state=tokens.numpy()), wanted, atol=1e-4)
