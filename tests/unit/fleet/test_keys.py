# SPDX-License-Identifier: Apache-2.0
"""Names are hidden on every machine alike, and only the owner reads them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.errors import JepaError
from jepa.fleet.keys import FleetKey, make_keys, read_fleet_key, read_owner_key
from tests.unit.fleet.machines import owner_in

KEY = FleetKey(b"s" * 32, b"o" * 32)
NAME = st.text("ab.@-é\udc80")
"""Also of bytes that are no UTF-8."""


def test_both_files_are_of_one_fleet_and_nobody_else_reads_them(tmp_path: Path) -> None:
    owner = owner_in(tmp_path)
    assert read_fleet_key(tmp_path / "fleet.key") == owner.fleet
    for name in ("fleet.key", "owner.key"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
    assert owner.private.hex() not in (tmp_path / "fleet.key").read_text()


def test_the_owner_reads_what_a_machine_sealed_and_a_stranger_does_not(tmp_path: Path) -> None:
    owner, stranger = owner_in(tmp_path / "a"), owner_in(tmp_path / "b")
    sealed = read_fleet_key(tmp_path / "a/fleet.key").seal(b"names")
    assert owner.unseal(sealed) == b"names"
    for other, altered in ((stranger, sealed), (owner, sealed[:-1]), (owner, b"")):
        with pytest.raises(JepaError, match="cannot be opened"):
            other.unseal(altered)


@given(NAME, NAME)
def test_a_name_has_one_pseudonym_which_does_not_contain_it(name: str, other: str) -> None:
    hidden = KEY.pseudonym("unit", name)
    assert hidden == KEY.pseudonym("unit", name)
    assert (hidden == KEY.pseudonym("unit", other)) == (name == other)
    assert hidden != FleetKey(b"t" * 32, b"o" * 32).pseudonym("unit", name)
    assert hidden.startswith("unit-")
    assert len(hidden) == len("unit-") + 16


def test_keys_are_never_replaced(tmp_path: Path) -> None:
    make_keys(tmp_path)
    before = (tmp_path / "owner.key").read_text()
    with pytest.raises(JepaError, match="takes no keys"):
        make_keys(tmp_path)
    assert (tmp_path / "owner.key").read_text() == before


def test_a_machine_refuses_the_owners_key(tmp_path: Path) -> None:
    make_keys(tmp_path)
    with pytest.raises(JepaError, match="for no machine"):
        read_fleet_key(tmp_path / "owner.key")
    with pytest.raises(JepaError, match="'private'"):
        read_owner_key(tmp_path / "fleet.key")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "version 1"),
        ("version = 2", "version 1"),
        ("version = 1", "'secret'"),
        ('version = 1\nsecret = "zz"', "'secret'"),
        (f'version = 1\nsecret = "{"00" * 32}"\nowner = "00"', "'owner'"),
        ("\x00", "cannot be read"),
    ],
)
def test_a_file_that_is_no_key_is_named(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "fleet.key"
    file.write_text(content)
    file.chmod(0o600)
    with pytest.raises(JepaError, match=said) as refused:
        read_fleet_key(file)
    assert str(file) in refused.value.problem


def test_a_key_that_everybody_can_read_is_refused(tmp_path: Path) -> None:
    make_keys(tmp_path)
    (tmp_path / "fleet.key").chmod(0o644)
    with pytest.raises(JepaError, match="Everybody can read"):
        read_fleet_key(tmp_path / "fleet.key")


def test_a_missing_key_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(JepaError, match="jepa-lab fleet keys"):
        read_fleet_key(tmp_path / "none")
