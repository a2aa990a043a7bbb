# SPDX-License-Identifier: Apache-2.0
"""Checkpoints in both public layouts are read alike; what is no checkpoint is refused with one sentence."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from jepa.errors import JepaError
from jepa_lab.vjepa2.checkpoint import open_checkpoint
from tests.unit.jepa_lab.vjepa2 import tiny
from tests.unit.jepa_lab.vjepa2.acting_reference import ActingPredictor

if TYPE_CHECKING:
    from transformers import VJEPA2Model


@pytest.fixture(scope="module")
def model() -> "VJEPA2Model":
    return tiny.model()


@pytest.fixture
def directory(model: "VJEPA2Model", tmp_path: Path) -> Path:
    model.save_pretrained(tmp_path / "hf")
    return tmp_path / "hf"


def test_both_layouts_say_the_same(model: "VJEPA2Model", directory: Path, tmp_path: Path) -> None:
    theirs = open_checkpoint(directory)
    metas = open_checkpoint(tiny.write_file(tiny.original_layout(model), tmp_path / "vit.pt"))
    assert theirs.architecture == metas.architecture
    assert (theirs.crop, metas.crop) == (tiny.CROP, None)
    assert set(theirs._pieces) == set(metas._pieces)
    for name in theirs._pieces:
        np.testing.assert_array_equal(theirs.read(name), metas.read(name), err_msg=name)


def test_the_published_sizes_have_their_heads(tmp_path: Path) -> None:
    from jepa_lab.vjepa2.architecture import architecture_of

    for width, heads in ((1024, 16), (1280, 16), (1408, 22)):
        shapes = {
            "encoder.patch.weight": (width, 3, 2, 16, 16),
            "encoder.blocks.0.fc1.weight": (4 * width, width),
        }
        assert architecture_of(shapes).encoder.heads == heads


def test_a_clip_must_divide_into_tokens(directory: Path) -> None:
    architecture = open_checkpoint(directory).architecture
    assert architecture.grid(16, 256) == (8, 16, 16)
    for frames, crop in ((7, 64), (0, 64), (8, 60), (8, 0)):
        with pytest.raises(JepaError, match="do not divide"):
            architecture.grid(frames, crop)


@pytest.mark.parametrize(
    ("part", "key", "message"),
    [
        ("target_encoder", "module.backbone.blocks.1.mlp.fc1.bias", "lacks 1 tensors, among them"),
        ("predictor", "module.backbone.predictor_proj.weight", "lacks 1 tensors, among them"),
        ("target_encoder", "module.backbone.patch_embed.proj.weight", "no V-JEPA 2 video encoder"),
    ],
)
def test_missing_tensors_are_named(
    model: "VJEPA2Model", tmp_path: Path, part: str, key: str, message: str
) -> None:
    content = tiny.original_layout(model)
    del content[part][key]
    with pytest.raises(JepaError, match=message):
        open_checkpoint(tiny.write_file(content, tmp_path / "vit.pt"))


def test_tensors_that_are_unknown_or_of_another_shape_are_named(
    model: "VJEPA2Model", tmp_path: Path
) -> None:
    content = tiny.original_layout(model)
    content["target_encoder"]["module.backbone.head.weight"] = torch.zeros(3)
    with pytest.raises(JepaError, match="1 tensors that V-JEPA 2 does not have, among them encoder/head"):
        open_checkpoint(tiny.write_file(content, tmp_path / "vit.pt"))
    del content["target_encoder"]["module.backbone.head.weight"]
    content["target_encoder"]["module.backbone.norm.bias"] = torch.zeros(3)
    with pytest.raises(JepaError, match=r"encoder.norm.bias has the shape \(3,\), not \(128,\)"):
        open_checkpoint(tiny.write_file(content, tmp_path / "vit.pt"))


def test_so_they_are_in_a_directory(directory: Path) -> None:
    weights = directory / "model.safetensors"
    whole = load_file(weights)
    save_file({**whole, "encoder.layer.7.head.weight": torch.zeros(3)}, weights)
    with pytest.raises(
        JepaError, match=r"1 tensors that V-JEPA 2 does not have, among them encoder\.layer\.7"
    ):
        open_checkpoint(directory)
    lacking = "encoder.layer.2.attention.key.bias"
    save_file({key: value for key, value in whole.items() if key != lacking}, weights)
    with pytest.raises(JepaError, match=r"lacks 1 tensors, among them encoder\.blocks\.2\.key\.bias"):
        open_checkpoint(directory)


def test_a_directory_whose_second_file_was_not_downloaded_is_refused(
    model: "VJEPA2Model", tmp_path: Path
) -> None:
    model.save_pretrained(tmp_path, max_shard_size="1MB")
    files = sorted(tmp_path.glob("*.safetensors"))
    assert len(files) > 1
    assert open_checkpoint(tmp_path).architecture.predictor is not None
    files[-1].unlink()
    with pytest.raises(JepaError, match=f"lacks 1 of its files, among them {files[-1].name}"):
        open_checkpoint(tmp_path)
    (tmp_path / "model.safetensors.index.json").write_text("[]")
    with pytest.raises(JepaError, match=r"index\.json cannot be read"):
        open_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("cut", "message"),
    [
        ("state_encoder.weight", r"lacks 1 tensors, among them predictor\.state\.weight"),
        (
            "predictor_blocks.1.attn.proj.bias",
            r"lacks 1 tensors, among them predictor\.blocks\.1\.out\.bias",
        ),
        ("action_encoder.bias", r"lacks 1 tensors, among them predictor\.action\.bias"),
    ],
)
def test_what_the_acting_predictor_lacks_is_named(
    model: "VJEPA2Model", tmp_path: Path, cut: str, message: str
) -> None:
    content = tiny.original_layout(model)
    reference = ActingPredictor(128, 128, 2, 2, 7, 4).state_dict()
    content["predictor"] = {f"module.{key}": value for key, value in reference.items() if key != cut}
    with pytest.raises(JepaError, match=message):
        open_checkpoint(tiny.write_file(content, tmp_path / "ac.pt"))


@pytest.fixture
def sharded(model: "VJEPA2Model", tmp_path: Path) -> Path:
    """A directory of several files and their index."""
    folder = tmp_path / "sharded"
    model.save_pretrained(folder, max_shard_size="100KB")
    assert (folder / "model.safetensors.index.json").exists()
    return folder


def test_what_the_index_names_is_read_whatever_lies_beside_it(
    sharded: Path, directory: Path, model: "VJEPA2Model"
) -> None:
    other = {key: value + 1 for key, value in load_file(directory / "model.safetensors").items()}
    save_file(other, sharded / "model.safetensors", {"format": "pt"})
    save_file(other, sharded / "model-99999-of-99999.safetensors", {"format": "pt"})
    read = open_checkpoint(sharded).read("encoder.norm.weight")
    np.testing.assert_array_equal(read, model.encoder.layernorm.weight.detach().numpy())


def test_a_tensor_that_lies_twice_is_refused_with_both_files(directory: Path) -> None:
    tensors = load_file(directory / "model.safetensors")
    key = next(iter(tensors))
    save_file({key: tensors[key] + 1}, directory / "model-00001-of-00002.safetensors", {"format": "pt"})
    with pytest.raises(
        JepaError, match=r"lies in model-00001-of-00002\.safetensors and in model\.safetensors"
    ):
        open_checkpoint(directory)


def test_so_it_is_among_the_files_of_an_index(sharded: Path) -> None:
    one, other, *_ = sorted(sharded.glob("*.safetensors"))
    key, tensor = next(iter(load_file(one).items()))
    save_file({**load_file(other), key: tensor + 1}, other, {"format": "pt"})
    with pytest.raises(JepaError, match=f"lies in {one.name} and in {other.name}"):
        open_checkpoint(sharded)


def test_an_index_that_names_another_file_than_the_tensors_is_refused(sharded: Path) -> None:
    index = sharded / "model.safetensors.index.json"
    content = json.loads(index.read_text())
    key, file = next(iter(content["weight_map"].items()))
    content["weight_map"][key] = next(each for each in content["weight_map"].values() if each != file)
    index.write_text(json.dumps(content))
    with pytest.raises(JepaError, match=f"lacks the tensor {key}"):
        open_checkpoint(sharded)


@pytest.mark.parametrize("named", ["../elsewhere.safetensors", "/etc/passwd", "", "sub/w.safetensors", "."])
def test_an_index_that_names_a_file_elsewhere_is_refused(sharded: Path, directory: Path, named: str) -> None:
    (directory / "model.safetensors").rename(sharded.parent / "elsewhere.safetensors")
    index = sharded / "model.safetensors.index.json"
    content = json.loads(index.read_text())
    content["weight_map"] = dict.fromkeys(content["weight_map"], named)
    index.write_text(json.dumps(content))
    with pytest.raises(JepaError, match=r"no file of that directory|lacks 1 of its files"):
        open_checkpoint(sharded)


@pytest.mark.parametrize("kept", [0, 1, 100, 50_000])
def test_a_file_cut_short_is_refused(model: "VJEPA2Model", tmp_path: Path, kept: int) -> None:
    path = tiny.write_file(tiny.original_layout(model), tmp_path / "vit.pt")
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(JepaError, match="is not a PyTorch checkpoint"):
        open_checkpoint(path)


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    import pickle

    class Nasty:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (tmp_path / "touched",))  # type: ignore[return-value]

    (tmp_path / "vit.pt").write_bytes(pickle.dumps({"encoder": Nasty()}))
    with pytest.raises(JepaError):
        open_checkpoint(tmp_path / "vit.pt")
    assert not (tmp_path / "touched").exists()


def test_other_things_are_no_checkpoint(directory: Path, tmp_path: Path) -> None:
    with pytest.raises(JepaError, match=r"There is no .*nothing\.pt"):
        open_checkpoint(tmp_path / "nothing.pt")
    torch.save({"model": {}}, tmp_path / "other.pt")
    with pytest.raises(JepaError, match="There is no encoder"):
        open_checkpoint(tmp_path / "other.pt")
    weights = directory / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(JepaError, match="is not whole"):
        open_checkpoint(directory)
    weights.unlink()
    with pytest.raises(JepaError, match="no safetensors"):
        open_checkpoint(directory)
    (directory / "config.json").write_text(json.dumps({"model_type": "vit"}))
    with pytest.raises(JepaError, match="does not describe a V-JEPA 2 model"):
        open_checkpoint(directory)


def test_weights_of_half_precision_are_read(directory: Path) -> None:
    weights = directory / "model.safetensors"
    whole = open_checkpoint(directory).read("encoder.norm.weight")
    save_file({key: value.half() for key, value in load_file(weights).items()}, weights)
    half = open_checkpoint(directory).read("encoder.norm.weight")
    assert half.dtype == np.float32
    np.testing.assert_allclose(half, whole, atol=1e-3)


def test_a_probe_that_is_none_is_refused(model: "VJEPA2Model", directory: Path, tmp_path: Path) -> None:
    file = tiny.write_file(tiny.original_layout(model), tmp_path / "vit.pt")
    with pytest.raises(JepaError, match="no classifier in"):
        open_checkpoint(file, file)
    with pytest.raises(JepaError, match="has its probe in itself"):
        open_checkpoint(directory, file)
    with pytest.raises(JepaError, match="There is no"):
        open_checkpoint(file, tmp_path / "nothing.pt")
