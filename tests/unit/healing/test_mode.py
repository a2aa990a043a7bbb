# SPDX-License-Identifier: Apache-2.0
"""The mode is kept in a file; one that cannot be used changes nothing."""

import os
from pathlib import Path

import pytest

from jepa.errors import JepaError
from jepa.healing.mode import MODES, ModeFile, write_mode


def test_without_a_file_healing_advises(tmp_path: Path) -> None:
    assert ModeFile(tmp_path / "healing.toml")() == "advise"


def test_each_mode_is_read_back_at_once(tmp_path: Path) -> None:
    path = tmp_path / "etc/jepa/healing.toml"
    mode = ModeFile(path)
    for each in MODES:
        write_mode(each, path)
        assert mode() == each
    path.unlink()
    assert mode() == "advise"


@pytest.mark.parametrize("content", ["mode = 'all'", "mode =", "mode = 3", "\xff"])
def test_a_damaged_file_leaves_the_mode_as_it_was_and_says_so(tmp_path: Path, content: str) -> None:
    path = tmp_path / "healing.toml"
    write_mode("auto", path)
    mode = ModeFile(path)
    assert mode() == "auto"
    path.write_bytes(content.encode("latin-1"))
    os.utime(path, ns=(1, 1))
    assert mode() == "auto"
    assert "auto stays in force" in mode.fault


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JepaError, match="cannot be written"):
        write_mode("off", tmp_path / "file/healing.toml")
