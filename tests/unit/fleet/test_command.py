# SPDX-License-Identifier: Apache-2.0
"""`jepa-upload` sends once, says what came of it, and exits 1 where something is left."""

import time
from pathlib import Path

import pytest

from jepa.fleet.command import main
from jepa.fleet.spool import Spool
from tests.unit.fleet.machines import a_recording, owner_in, put, store_in


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A machine that is set up, its words for the command."""
    owner_in(tmp_path)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    address = store_in(tmp_path / "store").address
    (tmp_path / "fleet.toml").write_text(f'store = "{address}"\nkib_per_s = 100000\n')
    return [str(tmp_path / "spool"), "--settings", str(tmp_path / "fleet.toml")]


def test_one_run(tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    put(Spool(tmp_path / "spool"), a_recording(time.time_ns()))
    assert main(words) == 0
    assert capsys.readouterr().out.startswith("1 parts sent, ")
    assert main(words) == 0
    assert capsys.readouterr().out == "0 parts sent, 0.0 MiB; 0 wait.\n"


def test_what_was_put_aside_is_named(
    tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = put(Spool(tmp_path / "spool"), a_recording())
    (folder / "frames.parquet").write_bytes(b"\x1b[31m")
    assert main(words) == 1
    said = capsys.readouterr()
    assert "1 put aside" in said.out
    assert folder.name in said.err
    assert "\x1b" not in said.err


def test_without_settings_it_says_that_nothing_leaves(
    tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "fleet.toml").unlink()
    assert main(words) == 1
    assert "nothing leaves this machine" in capsys.readouterr().err
    assert not (tmp_path / "spool").exists()
