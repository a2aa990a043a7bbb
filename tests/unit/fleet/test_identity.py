# SPDX-License-Identifier: Apache-2.0
"""A machine keeps its key, and its name is bound to it."""

from pathlib import Path

import pytest

from jepa.errors import JepaError
from jepa.fleet.identity import host_of, identity_in, is_signed


def test_a_machine_stays_who_it_is(tmp_path: Path) -> None:
    first = identity_in(tmp_path)
    assert identity_in(tmp_path).public == first.public
    assert first.host == host_of(first.public)
    assert (tmp_path / "machine.key").stat().st_mode & 0o777 == 0o600


def test_only_what_it_signed_is_signed(tmp_path: Path) -> None:
    machine = identity_in(tmp_path)
    signature = machine.sign(b"content")
    assert is_signed(b"content", signature, machine.public)
    assert not is_signed(b"Content", signature, machine.public)
    assert not is_signed(b"content", signature[:-1], machine.public)
    (tmp_path / "other").mkdir()
    assert not is_signed(b"content", signature, identity_in(tmp_path / "other").public)


def test_a_damaged_key_is_named(tmp_path: Path) -> None:
    (tmp_path / "machine.key").write_bytes(b"short")
    with pytest.raises(JepaError, match=r"machine\.key"):
        identity_in(tmp_path)
