# SPDX-License-Identifier: Apache-2.0
"""What outlives a reboot is synced with its file system, and where that fails one sentence says so."""

from pathlib import Path

import pytest

from jepa.actions import kept_files
from jepa.errors import JepaError


def test_the_file_system_of_etc_is_synced(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    kept_files.sync(tmp_path)


def test_a_place_that_cannot_be_synced_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(JepaError, match=r"outlives a power cut: No such file or directory\."):
        kept_files.sync(tmp_path)
