# SPDX-License-Identifier: Apache-2.0
"""A checkpoint becomes a pack that verifies; what cannot become one leaves nothing behind."""

import json
import shutil
from pathlib import Path

import pytest

from jepa.errors import JepaError
from jepa.packs.pack import load_pack, read_manifest, verify_pack
from jepa.packs.vision import VisionManifest
from jepa.shell.cli import main
from jepa_lab.vjepa2 import convert as module
from jepa_lab.vjepa2.checkpoint import Checkpoint, open_checkpoint
from jepa_lab.vjepa2.convert import Wanted, convert
from tests.unit.jepa_lab.vjepa2 import tiny


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint")
    return tiny.write_file(tiny.original_layout(tiny.model()), folder / "vitl.pt")


@pytest.fixture
def checkpoint(file: Path) -> Checkpoint:
    return open_checkpoint(file)


def quietly(_: str) -> None:
    """Nobody listens."""


def test_a_pack_says_what_it_takes_and_where_it_comes_from(checkpoint: Checkpoint, tmp_path: Path) -> None:
    steps: list[str] = []
    made = convert(checkpoint, Wanted(frames=8, crop=64), tmp_path / "pack", steps.append)
    assert verify_pack(tmp_path / "pack") == made
    assert (made.clip.frames, made.clip.crop, made.clip.resize) == (8, 64, 73)
    assert (made.tokens.time, made.tokens.rows, made.tokens.columns, made.tokens.width) == (4, 4, 4, 128)
    assert (made.ahead, made.candidates, made.actions) == (2, 0, 0)
    assert made.provenance.source == "vitl.pt"
    assert f"{made.provenance.parameters:,}" in (tmp_path / "pack/CARD.md").read_text()
    assert any("encoder" in step for step in steps)
    assert [path.name for path in tmp_path.iterdir()] == ["pack"]


def test_a_pack_whose_weights_were_changed_is_refused(checkpoint: Checkpoint, tmp_path: Path) -> None:
    convert(checkpoint, Wanted(frames=4, crop=32), tmp_path / "pack", quietly)
    with (tmp_path / "pack/encoder.onnx.data").open("r+b") as data:
        data.write(b"x")
    with pytest.raises(JepaError, match="is not the one its pack was made with"):
        verify_pack(tmp_path / "pack")
    (tmp_path / "pack/encoder.onnx.data").unlink()
    with pytest.raises(JepaError, match="cannot be read"):
        verify_pack(tmp_path / "pack")


def test_a_vision_pack_is_no_machine_pack(checkpoint: Checkpoint, tmp_path: Path) -> None:
    convert(checkpoint, Wanted(frames=4, crop=32), tmp_path / "pack", quietly)
    with pytest.raises(JepaError, match="is for vision, not for the machine"):
        load_pack(tmp_path / "pack")


def test_nothing_is_written_over_and_nothing_half_made_is_left_as_if_whole(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pack").mkdir()
    with pytest.raises(JepaError, match="is there already"):
        convert(checkpoint, Wanted(frames=4, crop=32), tmp_path / "pack", quietly)
    (tmp_path / "pack").rmdir()

    def cut(step: str) -> None:
        if "predictor" in step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert(checkpoint, Wanted(frames=4, crop=32), tmp_path / "pack", cut)
    assert not (tmp_path / "pack").exists()
    convert(checkpoint, Wanted(frames=4, crop=32), tmp_path / "pack", quietly)
    assert verify_pack(tmp_path / "pack")
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1, 1, 1000))
    with pytest.raises(JepaError, match="has 0 MiB free"):
        convert(checkpoint, Wanted(frames=4, crop=32), tmp_path / "other", quietly)
    assert not (tmp_path / "other").exists()


def test_it_is_built_and_listed_from_the_command_line(
    file: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pack = tmp_path / "packs" / "tiny"
    build = ["packs", "build", "vjepa2", "--checkpoint", str(file), "--out", str(pack), "--frames", "4"]
    assert main([*build, "--crop", "32"]) == 0
    assert "verified" in capfd.readouterr().out
    assert main(["packs", "verify", "--pack", str(pack), "--json"]) == 0
    assert '"vision"' in capfd.readouterr().out
    assert main([*build, "--crop", "32"]) == 1
    assert "is there already" in capfd.readouterr().err
    assert main([*build, "--json"]) == 1
    said = capfd.readouterr()
    assert "is there already" in json.loads(said.out)["error"]["problem"]
    assert said.err == ""
    assert main(["packs", "build", "vjepa2", "--out", str(pack)]) == 2
    assert "required: --checkpoint" in capfd.readouterr().err


def test_a_manifest_must_name_the_graphs_it_promises(checkpoint: Checkpoint, tmp_path: Path) -> None:
    made = convert(checkpoint, Wanted(frames=4, crop=32), tmp_path / "pack", quietly)
    with pytest.raises(ValueError, match="graphs must be encoder"):
        VisionManifest.model_validate({**made.model_dump(), "ahead": 0})
    file = tmp_path / "pack/pack.toml"
    file.write_text(file.read_text().replace('kind = "vision"', 'kind = "smell"'))
    with pytest.raises(JepaError, match="is not a valid manifest"):
        read_manifest(tmp_path / "pack")


def test_a_classifier_becomes_a_pack_with_its_labels(tmp_path: Path) -> None:
    tiny.classifier().save_pretrained(tmp_path / "hf")
    made = convert(open_checkpoint(tmp_path / "hf"), Wanted(frames=4, crop=32), tmp_path / "pack", quietly)
    assert made.labels == ("waving", "falling", "nothing")
    assert set(made.graphs) == {"encoder", "predictor", "probe"}
    assert verify_pack(tmp_path / "pack") == made
