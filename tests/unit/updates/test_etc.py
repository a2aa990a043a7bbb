# SPDX-License-Identifier: Apache-2.0
"""What a new version ships of /etc comes to a machine, and what its owner changed there stays."""

import itertools
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.updates.etc import FACTORY, NOTES, as_listing, as_text, bring, listing, main, plan
from jepa.updates.versions import kept_settings

PATHS = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from("123"))
CHANGING = ("chmod", "chown", "mkdir", "replace", "rmdir", "symlink", "unlink")
"""What of `os` changes names and what is known of files."""


@pytest.mark.parametrize(
    ("then", "shipped", "here", "end"),
    [
        pytest.param(None, "1", None, "1", id="new"),
        pytest.param("1", "2", "1", "2", id="another, and not changed here"),
        pytest.param("1", "2", "3", "3", id="another, and changed here"),
        pytest.param("1", "2", None, None, id="another, and removed here"),
        pytest.param("1", "1", "3", "3", id="the same, and changed here"),
        pytest.param("1", "1", None, None, id="the same, and removed here"),
        pytest.param("1", None, "1", None, id="no longer shipped"),
        pytest.param("1", None, "3", "3", id="no longer shipped, and changed here"),
        pytest.param(None, None, "3", "3", id="the owner's own"),
        pytest.param(None, "1", "3", "3", id="new, and here already as another"),
    ],
)
def test_of_three_the_right_one_stays(
    then: str | None, shipped: str | None, here: str | None, end: str | None
) -> None:
    def of(what: str | None) -> dict[str, str]:
        return {} if what is None else {"a": what}

    assert carried_out(of(then), of(shipped), of(here)) == of(end)


def carried_out(then: dict[str, str], shipped: dict[str, str], here: dict[str, str]) -> dict[str, str]:
    """What is here after a plan."""
    found = plan(then, shipped, here)
    left = {path: what for path, what in here.items() if path not in found.remove}
    return left | {path: shipped[path] for path in found.put}


@given(PATHS, PATHS, PATHS)
def test_to_go_on_after_a_cut_does_the_same_and_going_back_restores_what_was_shipped(
    then: dict[str, str], shipped: dict[str, str], here: dict[str, str]
) -> None:
    after = carried_out(then, shipped, here)
    assert carried_out(then, shipped, after) == after
    assert carried_out(shipped, then, carried_out(then, shipped, then)) == then


@given(PATHS, PATHS)
def test_where_the_past_is_not_known_nothing_that_is_here_is_touched(
    shipped: dict[str, str], here: dict[str, str]
) -> None:
    found = plan({}, shipped, here)
    assert set(found.put) == set(shipped) - set(here)
    assert found.remove == ()


def test_nothing_new_comes_where_the_owner_has_no_directory_for_it() -> None:
    then, shipped = {"d": "d:1"}, {"d": "d:1", "d/new": "1", "e": "d:1", "e/new": "1"}
    for here in ({"d": "l:/home"}, {}):
        found = plan(then, shipped, here)
        assert found.put == ("e", "e/new")
        assert found.barred == ("d/new",)


USERS = {"passwd": "root:x:0:0:\n", "group": "root:x:0:\n"}


def write(tree: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """The root of a machine that was made with version 1, with what its owner has changed since."""
    root = tmp_path / "root"
    shipped = {"same": "same", "conf": "1", "changed": "1", "gone/file": "1", "mode": "1", "removed": "1"}
    kinds = {"file-to-directory": "1", "directory-to-link/file": "1", "directory-to-file/file": "1"}
    for tree in (root / FACTORY, root / "etc"):
        write(tree, shipped | kinds | USERS)
        (tree / "link").symlink_to("same")
        (tree / "owned.wants").mkdir()
    said: list[str] = []
    bring(root, "1", said.append)
    assert said == ["/etc is that of 1: 0 put in place, 0 removed."]
    etc = root / "etc"
    write(etc, {"changed": "mine", "own": "mine", "passwd": f"{USERS['passwd']}me:x:1000:1000:\n"})
    (etc / "mode").chmod(0o600)
    (etc / "removed").unlink()
    return root


def ship_the_second(machine: Path) -> None:
    factory = machine / FACTORY
    for name in ("gone", "directory-to-link", "directory-to-file"):
        shutil.rmtree(factory / name)
    for name in ("link", "file-to-directory"):
        (factory / name).unlink()
    new = {"new/file": "2", "file-to-directory/file": "2", "directory-to-file": "2", "removed": "2"}
    write(factory, {"conf": "2", "changed": "2", "mode": "2", "passwd": "root\nsshd"} | new)
    (factory / "conf").chmod(0o600)
    (factory / "owned.wants").chmod(0o700)
    (factory / "link").symlink_to("conf")
    (factory / "directory-to-link").symlink_to("new")
    (factory / "owned.wants/unit").symlink_to("/usr/lib/unit")


def test_files_links_modes_and_directories_come_and_go(machine: Path) -> None:
    ship_the_second(machine)
    said: list[str] = []
    bring(machine, "2", said.append)
    here = machine / "etc"
    assert (here / "conf").read_text() == "2"
    assert (here / "conf").stat().st_mode & 0o777 == 0o600
    assert (here / "owned.wants").stat().st_mode & 0o777 == 0o700
    assert (here / "link").readlink() == Path("conf")
    assert (here / "owned.wants/unit").readlink() == Path("/usr/lib/unit")
    assert (here / "new/file").read_text() == "2"
    assert (here / "file-to-directory/file").read_text() == "2"
    assert (here / "directory-to-file").read_text() == "2"
    assert (here / "directory-to-link").readlink() == Path("new")
    assert not (here / "gone").exists()
    assert not (here / "removed").exists()
    assert (here / "changed").read_text() == (here / "own").read_text() == "mine"
    assert (here / "mode").read_text() == "1"
    assert (here / "mode").stat().st_mode & 0o777 == 0o600
    assert "me:x:1000" in (here / "passwd").read_text(), "users are each machine's own"
    assert [path.name for path in (machine / NOTES).iterdir()] == ["2"]
    assert said[:-1] == [
        f"/etc/{name} stays as it is here; 2 ships another: /{FACTORY}/{name}"
        for name in ("changed", "mode")
    ]
    assert kept_settings(machine) == said[:-1]


def test_going_back_restores_what_the_version_before_shipped(machine: Path) -> None:
    factory, before = machine / FACTORY, listing(machine / "etc")
    shutil.copytree(factory, machine / "first", symlinks=True)
    ship_the_second(machine)
    bring(machine, "2", print)
    shutil.rmtree(factory)
    (machine / "first").rename(factory)
    bring(machine, "1", print)
    assert listing(machine / "etc") == before


class PowerCut(BaseException):
    """Nothing comes after it."""


def cut_before(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the power go before the change with ``number``, counted from 0."""
    numbers = itertools.count()

    def counted(change: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*words: Any, **options: Any) -> Any:
            if next(numbers) >= number:
                raise PowerCut
            return change(*words, **options)

        return counting

    for name in CHANGING:
        monkeypatch.setattr(os, name, counted(getattr(os, name)))


def everything(tree: Path) -> dict[str, str]:
    """What is below ``tree``, with what would be left over."""
    left = {str(path): "left" for path in tree.rglob("*.jepa-new")}
    return listing(tree) | left


@pytest.mark.parametrize("next_start", ["2", "1"])
def test_whenever_the_power_goes_the_version_that_starts_next_finds_its_own_etc(
    machine: Path, tmp_path: Path, next_start: str
) -> None:
    """As it would be without the cut; the owner's changes stay."""
    first, second = tmp_path / "first", tmp_path / "second"
    shutil.copytree(machine / FACTORY, first, symlinks=True)
    before = listing(machine / "etc")
    ship_the_second(machine)
    shutil.copytree(machine / FACTORY, second, symlinks=True)
    whole = tmp_path / "whole"
    shutil.copytree(machine, whole, symlinks=True)
    bring(whole, "2", lambda _: None)
    expected = listing(whole / "etc") if next_start == "2" else before

    for number in itertools.count():
        root = tmp_path / f"cut-{number}"
        shutil.copytree(machine, root, symlinks=True)
        with pytest.MonkeyPatch.context() as monkeypatch:
            cut_before(number, monkeypatch)
            try:
                bring(root, "2", lambda _: None)
            except PowerCut:
                pass
            else:
                break
        shutil.rmtree(root / FACTORY)
        shutil.copytree(first if next_start == "1" else second, root / FACTORY, symlinks=True)
        if not (root / NOTES / next_start).exists():  # as jepa-etc.service asks
            bring(root, next_start, lambda _: None)
        assert everything(root / "etc") == expected, f"cut before change {number}"
    assert number > 50


def test_what_cannot_be_put_in_place_does_not_hold_up_the_rest(machine: Path) -> None:
    ship_the_second(machine)
    (machine / "etc/new").write_text("a file of the owner's")
    (machine / "etc/directory-to-file/own").write_text("another")
    said: list[str] = []
    bring(machine, "2", said.append)
    assert "/etc/new/file of 2 was not put in place: /etc/new is no directory here." in said
    assert "/etc/directory-to-file of 2 was not put in place: Directory not empty." in said
    assert (machine / "etc/directory-to-file/own").read_text() == "another"
    assert (machine / "etc/conf").read_text() == "2"
    assert everything(machine / "etc") == listing(machine / "etc")


def test_a_link_of_the_owner_is_not_followed(machine: Path, tmp_path: Path) -> None:
    ship_the_second(machine)
    (machine / "etc/owned.wants").rmdir()
    (tmp_path / "elsewhere").mkdir()
    (machine / "etc/owned.wants").symlink_to(tmp_path / "elsewhere")
    said: list[str] = []
    bring(machine, "2", said.append)
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert "/etc/owned.wants/unit of 2 was not put in place: /etc/owned.wants is no directory here." in said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to others")
def test_owners_are_known_by_name_and_a_change_of_theirs_stays(machine: Path) -> None:
    """The number of a user may be another one on each machine."""
    factory, etc = machine / FACTORY, machine / "etc"
    write(factory, {"passwd": "root:x:0:0:\npolkitd:x:990:990:\n", "group": "root:x:0:\npolkitd:x:990:\n"})
    write(etc, {"passwd": "root:x:0:0:\npolkitd:x:880:880:\n", "group": "root:x:0:\npolkitd:x:880:\n"})
    os.chown(etc / "conf", 880, 0)
    write(factory, {"same": "2", "conf": "2", "strange": "2"})
    os.chown(factory / "same", 990, 990)
    os.chown(factory / "strange", 4242, 4242)
    bring(machine, "2", print)
    assert ((etc / "same").stat().st_uid, (etc / "same").stat().st_gid) == (880, 880)
    assert (etc / "strange").stat().st_uid == 0, "nobody has that number here"
    assert (etc / "conf").read_text() == "1", "its owner is another one"
    assert listing(etc)["same"] == listing(factory)["same"]


@pytest.mark.parametrize("spoilt", ["no listing", "", "\xff"])
def test_a_note_that_cannot_be_read_leaves_what_is_here(machine: Path, spoilt: str) -> None:
    (machine / NOTES / "1").write_bytes(spoilt.encode("latin-1"))
    ship_the_second(machine)
    bring(machine, "2", print)
    assert (machine / "etc/conf").read_text() == "1"
    assert (machine / "etc/new/file").read_text() == "2"
    assert [path.name for path in (machine / NOTES).iterdir()] == ["2"]


def test_the_program_lists_a_tree_as_it_is_noted(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", str(machine / FACTORY)]) == 0
    assert as_listing(capsys.readouterr().out) == listing(machine / FACTORY)
    assert main(["bring"]) == 2


def test_a_listing_is_read_as_it_was_written(machine: Path) -> None:
    found = listing(machine / FACTORY)
    assert found["link"] == "l:same"
    assert "passwd" not in found
    assert as_listing(as_text(found)) == found
    with pytest.raises(ValueError, match="unpack"):
        as_listing("no listing")
