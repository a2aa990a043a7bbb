# SPDX-License-Identifier: Apache-2.0
"""A pack that is trained anew keeps its version, unless another is given."""

from pathlib import Path

import pytest

from jepa.errors import JepaError
from jepa.packs.pack import load_pack
from jepa_lab.cli import PACK, version_in


def test_the_version_is_that_of_the_pack_which_is_replaced(tmp_path: Path) -> None:
    shipped = Path(__file__).parents[3] / PACK
    assert version_in(shipped) == load_pack(shipped).manifest.version
    assert version_in(tmp_path) == "0.1.0"


def test_a_pack_that_tells_none_is_named_with_the_remedy(tmp_path: Path) -> None:
    for content in ("version", 'name = "machine"'):
        (tmp_path / "pack.toml").write_text(content)
        with pytest.raises(JepaError, match="tells no version") as refused:
            version_in(tmp_path)
        assert "--version" in refused.value.remedy
