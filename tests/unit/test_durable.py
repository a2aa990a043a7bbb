# SPDX-License-Identifier: Apache-2.0
"""A file that is replaced is there whole: what it was, or what it is to be."""

import os
from pathlib import Path

import pytest

from jepa.durable import PRIVATE, replace_file


def test_text_and_bytes_take_the_place_of_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    replace_file(path, "größer")
    assert path.read_bytes() == "größer".encode()
    replace_file(path, b"\0\1")
    assert path.read_bytes() == b"\0\1"
    assert list(tmp_path.iterdir()) == [path]


def test_permissions_are_those_asked_for_whatever_the_umask_and_a_leftover_say(tmp_path: Path) -> None:
    path, left = tmp_path / "state.json", tmp_path / "state.new"
    left.write_text("half of something long that was cut")
    left.chmod(0o666)
    usual = os.umask(0o077)
    try:
        replace_file(path, "whole")
        assert path.stat().st_mode & 0o777 == 0o644
        replace_file(path, "whole", PRIVATE)
    finally:
        os.umask(usual)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text() == "whole"
    assert not left.exists()


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text("kept")
    (tmp_path / "state.new").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        replace_file(path, "lost")
    assert path.read_text() == "kept"


def test_both_the_content_and_the_name_are_on_the_disk_before_it_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, order = tmp_path / "state.json", []
    fsync = os.fsync

    def synced(fd: int) -> None:
        target = Path(f"/proc/self/fd/{fd}").readlink()
        order.append((target.name, path.exists()))
        fsync(fd)

    monkeypatch.setattr(os, "fsync", synced)
    replace_file(path, "new")
    assert order == [("state.new", False), (tmp_path.name, True)]
