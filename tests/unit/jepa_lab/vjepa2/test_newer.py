# SPDX-License-Identifier: Apache-2.0
"""Encoders of V-JEPA 2.1, from files as Meta's are laid out."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from jepa.errors import JepaError
from jepa.packs.pack import verify_pack
from jepa_lab.vjepa2.checkpoint import open_checkpoint
from jepa_lab.vjepa2.convert import Wanted, convert
from jepa_lab.vjepa2.graphs import write_encoder
from tests.unit.jepa_lab.vjepa2 import tiny
from tests.unit.jepa_lab.vjepa2.newer_reference import NewerEncoder
from tests.unit.jepa_lab.vjepa2.test_graphs import run, worst_cosine


@pytest.fixture(scope="module")
def model() -> NewerEncoder:
    torch.manual_seed(2)
    return NewerEncoder(128, 3, 2).eval()


def content(model: NewerEncoder, key: str = "ema_encoder") -> dict[str, dict[str, Tensor]]:
    """With a student that is another, and a predictor that takes four blocks' words."""
    named = {f"module.backbone.{name}": value for name, value in model.state_dict().items()}
    predictor = {
        "module.backbone.predictor_embed.0.weight": torch.zeros(128, 512),
        "module.backbone.predictor_proj_context.weight": torch.zeros(128, 64),
        "module.backbone.video_mod_embed": torch.zeros(1, 1, 64),
    }
    student = {name: torch.zeros_like(value) for name, value in named.items()}
    return {"encoder": student, key: named, "predictor": predictor}


@pytest.mark.parametrize("crop", [64, 96])
@pytest.mark.parametrize("key", ["ema_encoder", "target_encoder"])
def test_the_encoder_is_as_described(model: NewerEncoder, tmp_path: Path, crop: int, key: str) -> None:
    checkpoint = open_checkpoint(tiny.write_file(content(model, key), tmp_path / "vjepa2_1.pt"))
    assert checkpoint.architecture.newer
    assert (checkpoint.architecture.predictor, checkpoint.crop) == (None, 384)
    graph = write_encoder(tmp_path, checkpoint, checkpoint.architecture, 8, crop, {})
    clip = torch.randn(1, 8, 3, crop, crop)
    with torch.no_grad():
        wanted = model(clip).numpy()
    assert worst_cosine(run(graph, pixel_values=clip.numpy()), wanted) >= 0.9999


def test_its_pack_is_an_encoder_alone_and_says_what_it_is(model: NewerEncoder, tmp_path: Path) -> None:
    checkpoint = open_checkpoint(tiny.write_file(content(model), tmp_path / "vjepa2_1.pt"))
    steps: list[str] = []
    made = convert(checkpoint, Wanted(frames=4, crop=32), tmp_path / "pack", steps.append)
    assert set(made.graphs) == {"encoder"}
    assert made.name == "vjepa2-1-vit128-4f-32"
    assert verify_pack(tmp_path / "pack") == made
    assert any("predictor is another model" in step for step in steps)
    assert "V-JEPA 2.1" in (tmp_path / "pack/CARD.md").read_text()


def test_what_it_lacks_or_has_too_much_is_named(model: NewerEncoder, tmp_path: Path) -> None:
    for key, message in (
        ("video_mod_embed", "lacks 1 tensors, among them encoder.video"),
        ("norms_block.3.weight", "lacks 1 tensors, among them encoder.norm.weight"),
    ):
        short = content(model)
        del short["ema_encoder"][f"module.backbone.{key}"]
        with pytest.raises(JepaError, match=message):
            open_checkpoint(tiny.write_file(short, tmp_path / "short.pt"))
    long = content(model)
    long["ema_encoder"]["module.backbone.norms_block.4.weight"] = torch.zeros(128)
    with pytest.raises(JepaError, match=r"does not have, among them encoder/norms_block\.4"):
        open_checkpoint(tiny.write_file(long, tmp_path / "long.pt"))
