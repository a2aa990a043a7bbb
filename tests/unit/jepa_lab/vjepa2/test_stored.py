# SPDX-License-Identifier: Apache-2.0
"""Weights kept in two bytes or in one: smaller, and how far from four is known."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
import pytest
import torch

from jepa.packs.pack import verify_pack
from jepa.packs.vision import Stored
from jepa.vision.model import VisionModel
from jepa_lab.vjepa2.checkpoint import Checkpoint, open_checkpoint
from jepa_lab.vjepa2.convert import Wanted, convert
from jepa_lab.vjepa2.graph import GraphWriter
from jepa_lab.vjepa2.graphs import write_acting_predictor, write_encoder, write_predictor
from jepa_lab.vjepa2.stored import BLOCK, in_bytes
from tests.unit.jepa_lab.vjepa2 import tiny
from tests.unit.jepa_lab.vjepa2.acting_reference import ActingPredictor
from tests.unit.jepa_lab.vjepa2.test_graphs import run, worst_cosine

if TYPE_CHECKING:
    from transformers import VJEPA2Model

WORST: dict[Stored, float] = {"fp16": 0.9999, "int8": 0.999}
"""Cosine of any token with transformers'; weights of these models are far larger than trained ones."""
SMALLER: dict[Stored, float] = {"fp16": 0.7, "int8": 0.5}
"""Of the whole file, in which at this size patches and tables weigh much."""


@pytest.fixture(scope="module")
def model() -> "VJEPA2Model":
    return tiny.model()


@pytest.fixture(scope="module")
def checkpoint(model: "VJEPA2Model", tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    folder = tmp_path_factory.mktemp("checkpoint")
    return open_checkpoint(tiny.write_file(tiny.original_layout(model), folder / "vit.pt"))


@pytest.mark.parametrize("stored", WORST)
def test_the_encoder_is_nearly_that_of_transformers_and_smaller(
    checkpoint: Checkpoint, model: "VJEPA2Model", tmp_path: Path, stored: Stored
) -> None:
    of = checkpoint.architecture
    (tmp_path / "whole").mkdir()
    whole = write_encoder(tmp_path / "whole", checkpoint, of, tiny.FRAMES, tiny.CROP, {})
    graph = write_encoder(tmp_path, checkpoint, of, tiny.FRAMES, tiny.CROP, {}, stored)
    assert graph.data.stat().st_size < SMALLER[stored] * whole.data.stat().st_size
    clip = torch.randn(1, tiny.FRAMES, 3, tiny.CROP, tiny.CROP)
    with torch.no_grad():
        wanted = model(clip, skip_predictor=True).last_hidden_state.numpy()
    assert worst_cosine(run(graph, pixel_values=clip.numpy()), wanted) >= WORST[stored]


@pytest.mark.parametrize("stored", WORST)
def test_so_are_the_predictors(checkpoint: Checkpoint, tmp_path: Path, stored: Stored) -> None:
    of = checkpoint.architecture
    rng = np.random.default_rng(0)
    inputs = {
        "context": rng.normal(size=(1, 40, 128)).astype(np.float32),
        "context_at": np.arange(40),
        "target_at": np.arange(40, 64),
    }
    grid = of.grid(tiny.FRAMES, tiny.CROP)
    said = [
        run(write_predictor(_made(tmp_path / each), checkpoint, of, (40, 24), grid, {}, each), **inputs)
        for each in ("fp32", stored)
    ]
    assert worst_cosine(*said) >= WORST[stored]


@pytest.mark.parametrize("stored", WORST)
def test_the_acting_predictor_ranks_action_sequences_alike(
    model: "VJEPA2Model", tmp_path: Path, stored: Stored
) -> None:
    torch.manual_seed(1)
    content = tiny.original_layout(model)
    reference = ActingPredictor(128, 128, 2, 2, 7, tiny.CROP // 16)
    content["predictor"] = {f"module.{key}": value for key, value in reference.state_dict().items()}
    checkpoint = open_checkpoint(tiny.write_file(content, tmp_path / "ac.pt"))
    rng = np.random.default_rng(0)
    inputs = {
        "tokens": rng.normal(size=(32, 16, 128)).astype(np.float32),
        "actions": rng.normal(size=(32, 1, 7)).astype(np.float32),
        "states": rng.normal(size=(32, 1, 7)).astype(np.float32),
    }
    goal = rng.normal(size=(16, 128))
    energies = []
    for each in ("fp32", stored):
        graph = write_acting_predictor(
            _made(tmp_path / each), checkpoint, checkpoint.architecture, 1, tiny.CROP, 32, {}, each
        )
        energies.append(np.abs(run(graph, **inputs) - goal).mean((1, 2)))
    places = [np.argsort(np.argsort(each)) for each in energies]
    assert energies[0].argmin() == energies[1].argmin()
    assert np.corrcoef(*places)[0, 1] >= 0.99


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_halves_are_not_made_whole_when_they_are_loaded(checkpoint: Checkpoint, tmp_path: Path) -> None:
    graph = write_encoder(tmp_path, checkpoint, checkpoint.architecture, tiny.FRAMES, tiny.CROP, {}, "fp16")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    session = onnxruntime.InferenceSession(graph.path, options)
    assert [each.name for each in session.get_inputs()] == ["pixel_values"]
    import onnx

    kinds = [node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node]
    assert kinds.count("Cast") == 3 * 6, "query, key, value, out, fc1 and fc2 of each block"


def test_bytes_are_off_by_half_a_step_at_most_and_zeros_stay() -> None:
    weight = np.random.default_rng(0).normal(size=(5, 3 * BLOCK)).astype(np.float32)
    weight[2, :BLOCK] = 0
    whole, scales = in_bytes(weight)
    again = ((whole.astype(np.float32) - 128) * scales[..., None]).reshape(weight.shape)
    assert (again[2, :BLOCK] == 0).all()
    assert (np.abs(again - weight) <= scales.repeat(BLOCK, 1) / 2 + 1e-7).all()


def test_rows_that_are_no_multiple_of_a_block_stay_whole(tmp_path: Path) -> None:
    from onnx import TensorProto

    from jepa_lab.vjepa2.stored import stored_linear

    graph = GraphWriter(tmp_path, "odd", "int8")
    weight = np.random.default_rng(0).normal(size=(4, 30)).astype(np.float32)
    graph.op("Identity", stored_linear(graph, "x", "odd", weight, np.zeros(4, np.float32)), out="y")
    graph.finish({"x": (TensorProto.FLOAT, (1, 30))}, {"y": (1, 4)}, {})
    x = np.ones((1, 30), np.float32)
    np.testing.assert_allclose(run(graph, x=x), x @ weight.T, rtol=1e-5)


@pytest.mark.parametrize("stored", WORST)
def test_a_pack_says_how_its_weights_are_kept(
    checkpoint: Checkpoint, tmp_path: Path, stored: Stored
) -> None:
    made = convert(checkpoint, Wanted(frames=4, crop=32, weights=stored), tmp_path / "pack", lambda _: None)
    assert (made.weights, made.name) == (stored, f"vjepa2-vit128-4f-32-{stored}")
    assert verify_pack(tmp_path / "pack") == made
    assert stored in (tmp_path / "pack/CARD.md").read_text()
    frames = list(np.zeros((4, 3, 32, 32), np.float32))
    assert np.isfinite(VisionModel.load(tmp_path / "pack").encode(frames)).all()
