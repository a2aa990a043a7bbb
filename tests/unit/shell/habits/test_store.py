# SPDX-License-Identifier: Apache-2.0
"""Lines are kept only while asked for, for their owner alone, in a bounded file; off deletes them."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from jepa.shell.habits.store import LONGEST, MOST, HabitStore, default_path


@pytest.fixture
def store(tmp_path: Path) -> HabitStore:
    return HabitStore(tmp_path / "state/jepa/habits")


def kept(store: HabitStore) -> list[str]:
    return [each.line for each in store.lines()]


def test_nothing_is_kept_until_it_is_asked_for(store: HabitStore) -> None:
    assert not store.add("status")
    assert not store.path.parent.exists()
    assert store.disable() == 0


def test_what_is_kept_is_for_its_owner_alone_and_goes_when_asked(store: HabitStore) -> None:
    store.enable()
    assert store.add("status") and store.add("explain web ")
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(store.path.parent.stat().st_mode) == 0o700
    store.enable()  # a second time loses nothing
    assert kept(store) == ["status", "explain web"]
    assert store.disable() == 2
    assert list(store.path.parent.iterdir()) == []
    assert not store.add("status")


@pytest.mark.parametrize("line", ["", "   ", " act secret", "x" * (LONGEST + 1), "a\x1b[31mb", "a\nb"])
def test_some_lines_are_never_kept(store: HabitStore, line: str) -> None:
    store.enable()
    assert not store.add(line)
    assert kept(store) == []


def test_the_newest_lines_stay(store: HabitStore) -> None:
    store.enable()
    many = MOST + MOST // 2
    for number in range(many + 1):
        store.add(f"watch {number}")
    assert kept(store) == [f"watch {number}" for number in range(many + 1 - MOST, many + 1)]
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600


def test_a_damaged_line_costs_itself(store: HabitStore) -> None:
    store.enable()
    for line in ("status", "watch", "undo"):
        store.add(line)
    content = store.path.read_bytes().replace(b'"watch"', b'"wetch"')
    store.path.write_bytes(content[:-4])
    assert kept(store) == ["status"]
    store.add("history")
    assert kept(store)[0] == "status"


def test_two_shells_at_once_lose_nothing(store: HabitStore) -> None:
    store.enable()
    program = (
        "import sys; from pathlib import Path; from jepa.shell.habits.store import HabitStore\n"
        "store = HabitStore(Path(sys.argv[1]))\n"
        "for number in range(150): store.add(f'watch {sys.argv[2]} {number}')"
    )
    command = [sys.executable, "-c", program, str(store.path)]
    both = [subprocess.Popen([*command, name]) for name in ("a", "b")]
    assert [each.wait() for each in both] == [0, 0]
    assert sorted(kept(store)) == sorted(f"watch {name} {number}" for name in "ab" for number in range(150))


def test_the_place_is_that_of_the_xdg_specification() -> None:
    assert default_path({"HOME": "/home/a"}) == Path("/home/a/.local/state/jepa/habits")
    assert default_path({"HOME": "/home/a", "XDG_STATE_HOME": "/s"}) == Path("/s/jepa/habits")
    assert default_path({"HOME": "/home/a", "XDG_STATE_HOME": "s"}) == Path(
        "/home/a/.local/state/jepa/habits"
    )
