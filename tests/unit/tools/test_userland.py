# SPDX-License-Identifier: Apache-2.0
"""Only packs whose graphs are there go into the image."""

from pathlib import Path

import pytest

from tools import userland
from tools.userland import is_whole

MANIFEST = '[graphs.encoder]\nfile = "encoder.onnx"\ndata = "encoder.onnx.data"\n'


def test_a_pack_without_its_graph_is_left_out_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(userland, "ROOT", tmp_path)
    pack = tmp_path / "model-packs/language"
    pack.mkdir(parents=True)
    (pack / "pack.toml").write_text(MANIFEST)
    (pack / "encoder.onnx").touch()
    assert not is_whole(pack)
    assert "model-packs/language is left out: it has no encoder.onnx.data" in capsys.readouterr().out
    (pack / "encoder.onnx.data").touch()
    assert is_whole(pack)
    assert capsys.readouterr().out == ""
