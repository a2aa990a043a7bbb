# SPDX-License-Identifier: Apache-2.0
"""Nothing leaves a machine whose owner named no store, and wrong settings are named."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.errors import JepaError
from jepa.fleet.settings import UploadSettings, read_settings


def test_without_settings_nothing_leaves(tmp_path: Path) -> None:
    with pytest.raises(JepaError, match="nothing leaves this machine"):
        read_settings(tmp_path / "fleet.toml")


def test_a_store_and_a_rate(tmp_path: Path) -> None:
    file = tmp_path / "fleet.toml"
    file.write_text('store = "file:///mnt/x"\n')
    assert read_settings(file) == UploadSettings("file:///mnt/x", 256.0)
    file.write_text('store = "s3://b/p"\nkib_per_s = 8\n')
    assert read_settings(file) == UploadSettings("s3://b/p", 8)


@pytest.mark.parametrize(
    "content",
    [
        *("", "store = 1", "kib_per_s = 8", 'store = "a"\nstores = 1', "\x00", "store"),
        *(f'store = "a"\nkib_per_s = {wrong}' for wrong in ("0", "inf", "nan", '"x"', "true", "-1", "[]")),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, content: str) -> None:
    file = tmp_path / "fleet.toml"
    file.write_text(content)
    with pytest.raises(JepaError, match="cannot be used") as refused:
        read_settings(file)
    assert str(file) in refused.value.problem


@given(content=st.text('store=kib_per\n"[]{}1.-#\x00é', max_size=60))
def test_no_file_breaks_the_parser(tmp_path_factory: pytest.TempPathFactory, content: str) -> None:
    file = tmp_path_factory.getbasetemp() / "fleet.toml"
    file.write_text(content)
    with contextlib.suppress(JepaError):
        assert isinstance(read_settings(file).store, str)
