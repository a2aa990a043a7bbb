# SPDX-License-Identifier: Apache-2.0
"""A store takes files whole or not at all, and says whether it is away or refuses."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from jepa.errors import JepaError
from jepa.fleet.store import Store, is_away
from tests.unit.fleet.machines import nobody, store_in


@pytest.mark.parametrize("address", ["", "s3://", "http://x/y", "/tmp", "file://tmp", "file:///", "ftp://a"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(JepaError, match="no address of a store") as refused:
        Store(address)
    assert refused.value.status == 400


def test_what_was_written_is_there(tmp_path: Path) -> None:
    store = store_in(tmp_path / "store")
    store.write("hosts/a/x", b"first")
    store.write("hosts/a/x", b"second")
    store.write("hosts/b", b"")
    assert store.read("hosts/a/x", 10) == b"second"
    assert store.size("hosts/a/x") == 6
    assert store.size("hosts/none") is None
    assert [(each.path, each.size) for each in store.find("hosts")] == [("hosts/a/x", 6), ("hosts/b", 0)]
    assert store.find("none") == []
    assert abs(store.modified_ns("hosts/b") - (tmp_path / "store/hosts/b").stat().st_mtime_ns) < 10**6


def test_what_is_too_large_is_not_read(tmp_path: Path) -> None:
    store = store_in(tmp_path / "store")
    with (tmp_path / "store/zeros").open("wb") as file:
        file.truncate(10 << 30)
    with pytest.raises(JepaError, match="10737418240 bytes"):
        store.read("zeros", 1 << 20)
    with pytest.raises(JepaError, match="not in the store"):
        store.read("none", 1)


def test_a_share_that_is_not_mounted_is_away_and_nothing_is_made_in_its_place(tmp_path: Path) -> None:
    store = Store((tmp_path / "share").as_uri())
    for ask in (lambda: store.write("a", b"x"), lambda: store.find(""), lambda: store.size("a")):
        with pytest.raises(JepaError, match="cannot be reached") as refused:
            ask()
        assert is_away(refused.value)
    assert not (tmp_path / "share").exists()


def test_a_store_without_rights_refuses_and_is_not_away(tmp_path: Path, unprivileged: None) -> None:
    store = store_in(tmp_path / "store")
    (tmp_path / "store").chmod(0o500)
    with pytest.raises(JepaError, match="refuses hosts/a") as refused:
        store.write("hosts/a", b"x")
    assert refused.value.status == 403
    assert not is_away(refused.value)


def test_a_folder_without_rights_is_named_and_the_rest_is_found(tmp_path: Path, unprivileged: None) -> None:
    store = store_in(tmp_path / "store")
    for path in ("hosts/a/x", "hosts/b/x"):
        store.write(path, b"x")
    (tmp_path / "store/hosts/a").chmod(0)
    refused: dict[str, JepaError] = {}
    assert [each.path for each in store.find("hosts", refused.__setitem__)] == ["hosts/b/x"]
    assert refused["hosts/a"].status == 403
    with pytest.raises(JepaError, match="refuses hosts/a"):
        store.find("hosts")
    (tmp_path / "store/hosts").chmod(0)
    with pytest.raises(JepaError, match="refuses hosts"):
        store.find("hosts", refused.__setitem__)
    (tmp_path / "store/hosts").chmod(0o700)
    (tmp_path / "store/hosts/a").chmod(0o700)


def test_a_link_that_leads_back_to_itself_ends(tmp_path: Path) -> None:
    store = store_in(tmp_path / "store")
    store.write("hosts/a", b"x")
    (tmp_path / "store/hosts/again").symlink_to(tmp_path / "store")
    assert len(store.find("hosts")) < 10


@pytest.fixture
def unprivileged(tmp_path: Path) -> Iterator[None]:
    with nobody(tmp_path):
        yield
