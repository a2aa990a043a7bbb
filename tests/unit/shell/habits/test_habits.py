# SPDX-License-Identifier: Apache-2.0
"""What the prompt offers follows what was typed, over restarts, and only while that was asked for."""

from pathlib import Path

import pytest

from jepa.shell.habits.habits import Habits
from jepa.shell.habits.store import HabitStore


@pytest.fixture
def store(tmp_path: Path) -> HabitStore:
    found = HabitStore(tmp_path / "jepa/habits")
    found.enable()
    return found


def type_all(habits: Habits, lines: list[str]) -> None:
    for line in lines:
        habits.typed(line)


def test_a_line_is_offered_once_it_is_likely_also_by_the_next_shell(store: HabitStore) -> None:
    habits = Habits(store)
    habits.typed("status")
    assert habits.offer() is None
    type_all(habits, ["watch", "status"] * 6)
    assert habits.offer() == "watch"
    later = Habits(store)
    assert later.offer() is None, "what was kept is not read yet"
    later.load()
    assert later.offer() == "watch"


def test_with_something_typed_the_likeliest_that_begins_so_is_offered(store: HabitStore) -> None:
    habits = Habits(store)
    type_all(habits, ["explain web", "watch", "explain db", "explain db"])
    assert habits.offer("exp") == "explain db"
    assert habits.offer("explain w") == "explain web"
    assert habits.offer("explain web") is None
    assert habits.offer("zzz") is None


def test_a_line_after_a_space_is_not_learned(store: HabitStore) -> None:
    habits = Habits(store)
    type_all(habits, ["status", " watch secret"])
    assert habits.offer("watch") is None


def test_switched_off_it_knows_nothing_at_once_and_on_again_it_learns(store: HabitStore) -> None:
    habits = Habits(store)
    type_all(habits, ["watch", "status"] * 6)
    store.disable()
    habits.typed("status")
    assert habits.offer() is None and habits.offer("w") is None
    store.enable()
    habits.typed("undo")
    assert habits.offer("u") == "undo"
    assert habits.offer("w") is None


def test_a_file_that_cannot_be_written_disturbs_nobody(store: HabitStore) -> None:
    habits = Habits(store)
    habits.typed("status")
    store.path.unlink()
    store.path.mkdir()
    habits.typed("watch")
    assert habits.offer("w") is None


def test_without_a_store_nothing_is_learned() -> None:
    habits = Habits()
    habits.load()
    type_all(habits, ["watch"] * 9)
    assert habits.offer() is None
