# SPDX-License-Identifier: Apache-2.0
"""A pack is in use when jepad has tried it; where it does not fit, everything is as it was."""

from pathlib import Path

import pytest

from jepa.errors import JepaError
from jepa.packs.images import Images
from jepa.packs.manifest import Manifest
from jepa.service.api import PackOut
from jepa.updates.pack_changes import Here, PackChanges

SHIPPED = Here("machine", "0.7.3", "machine", None)


class Shelf(Images):
    """Images that are only noted, since to mount them takes the system."""

    def __init__(self) -> None:
        self.here = [SHIPPED]
        self.kind = "machine"
        """Of what is added."""
        self.chosen: dict[str, str | None] = {}

    def add(self, source: Path) -> Manifest:  # type: ignore[override]
        name, version = source.stem.split("_")
        self.here.append(Here(name, version, self.kind, source.stem))
        return Manifest.model_construct(name=name, version=version, kind=self.kind)

    def drop(self, title: str) -> None:
        self.here = [each for each in self.here if each.title != title]

    def choose(self, kind: str, title: str | None) -> None:
        self.chosen[kind] = title


class Jepad:
    """Takes every pack but those in ``refuses``."""

    def __init__(self, refuses: str = "") -> None:
        self.asked: list[str] = []
        self._refuses = refuses

    def use_pack(self, name: str) -> PackOut:
        self.asked.append(name)
        if name == self._refuses:
            raise JepaError("The pack failed its check.", "", status=409)
        return PackOut(pack=name, before=None)


@pytest.fixture
def image(tmp_path: Path) -> str:
    path = tmp_path / "machine_9.1.0.raw"
    path.touch()
    return str(path)


def changes(shelf: Shelf, jepad: Jepad | None) -> PackChanges:
    return PackChanges(shelf, lambda: jepad, lambda: shelf.here, lambda kind: shelf.chosen.get(kind))


def test_an_installed_pack_is_in_use_once_jepad_took_it(image: str) -> None:
    shelf, jepad = Shelf(), Jepad()
    changed = changes(shelf, jepad).install(image)
    assert (changed.pack, changed.live) == ("machine 9.1.0", True)
    assert (jepad.asked, shelf.chosen) == (["machine_9.1.0"], {"machine": "machine_9.1.0"})


def test_a_pack_that_jepad_refuses_is_taken_away_again(image: str) -> None:
    shelf = Shelf()
    with pytest.raises(JepaError, match="failed its check"):
        changes(shelf, Jepad(refuses="machine_9.1.0")).install(image)
    assert (shelf.here, shelf.chosen) == ([SHIPPED], {})


def test_without_jepad_its_next_start_decides(image: str) -> None:
    shelf = Shelf()
    assert not changes(shelf, None).install(image).live
    assert shelf.chosen == {"machine": "machine_9.1.0"}


def test_what_another_daemon_reads_is_in_use_from_its_next_start_on(image: str) -> None:
    shelf, jepad = Shelf(), Jepad()
    shelf.kind = "robot"
    assert not changes(shelf, jepad).install(image).live
    assert (jepad.asked, shelf.chosen) == ([], {"robot": "machine_9.1.0"})


def test_a_language_pack_is_in_use_with_the_next_sentence_once_it_heard_one(image: str) -> None:
    shelf, heard = Shelf(), list[str]()
    shelf.kind = "language"
    made = PackChanges(shelf, lambda: None, lambda: shelf.here, shelf.chosen.get, heard.append)
    assert made.install(image).live
    assert (heard, shelf.chosen) == (["machine_9.1.0"], {"language": "machine_9.1.0"})


def test_a_language_pack_that_hears_nothing_is_taken_away_again(image: str) -> None:
    def deaf(name: str) -> None:
        raise JepaError("The pack failed its check.", "", status=409)

    shelf = Shelf()
    shelf.kind = "language"
    with pytest.raises(JepaError, match="failed its check"):
        PackChanges(shelf, lambda: None, lambda: shelf.here, shelf.chosen.get, deaf).install(image)
    assert (shelf.here, shelf.chosen) == ([SHIPPED], {})


def test_the_pack_of_the_system_can_be_chosen_by_its_version(image: str) -> None:
    shelf, jepad = Shelf(), Jepad()
    made = changes(shelf, jepad)
    made.install(image)
    assert made.use("machine", "0.7.3").pack == "machine 0.7.3"
    assert (jepad.asked[-1], shelf.chosen) == ("machine", {"machine": None})
    assert made.use("machine", None).pack == "machine 9.1.0"
    with pytest.raises(JepaError, match="There is no pack machine 3"):
        made.use("machine", "3.0.0")


def test_a_pack_in_use_makes_way_before_it_is_taken_away(image: str) -> None:
    shelf, jepad = Shelf(), Jepad()
    made = changes(shelf, jepad)
    made.install(image)
    assert made.remove("machine", None).pack == "machine 0.7.3"
    assert (shelf.here, shelf.chosen, jepad.asked[-1]) == ([SHIPPED], {"machine": None}, "machine")
    with pytest.raises(JepaError, match="a part of the system"):
        made.remove("machine", None)


def test_a_pack_whose_place_nobody_can_take_stays(image: str) -> None:
    shelf = Shelf()
    changes(shelf, Jepad()).install(image)
    with pytest.raises(JepaError, match="failed its check"):
        changes(shelf, Jepad(refuses="machine")).remove("machine", None)
    assert len(shelf.here) == 2
    assert shelf.chosen == {"machine": "machine_9.1.0"}


def test_a_source_that_is_not_there_is_named(tmp_path: Path) -> None:
    made = changes(Shelf(), None)
    with pytest.raises(JepaError, match="There is no file"):
        made.install(str(tmp_path / "machine_9.1.0.raw"))
    with pytest.raises(JepaError, match="cannot be fetched"):
        made.install("http://127.0.0.1:9/machine_9.1.0.raw")
