# SPDX-License-Identifier: Apache-2.0
"""Who does not answer holds one thread and nobody else; it is asked again once it has answered."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from jepa.telemetry.sources.helper import Helper

Questions = dict[str, Callable[[], int]]


@pytest.fixture
def helper() -> Iterator[Helper[str, int]]:
    helper: Helper[str, int] = Helper("test")
    yield helper
    helper.close()


def test_all_are_asked_in_one_thread(helper: Helper[str, int]) -> None:
    here = threading.get_ident()
    seen = set()

    def note(number: int) -> int:
        seen.add(threading.get_ident())
        return number

    questions: Questions = {"a": lambda: note(1), "b": lambda: note(2)}
    for now in range(20):
        assert helper.ask(questions, now) == {"a": 1, "b": 2}
    assert len(seen) == 1 and here not in seen


def test_nothing_to_ask_starts_no_thread(helper: Helper[str, int]) -> None:
    threads = threading.active_count()
    assert helper.ask({}, 0) == {}
    assert threading.active_count() == threads


def test_who_is_silent_is_waited_for_once_and_the_others_are_asked(helper: Helper[str, int]) -> None:
    answer = threading.Event()
    asked = []

    def stuck() -> int:
        asked.append(True)
        answer.wait()
        return 2

    questions: Questions = {"a": lambda: 1, "b": stuck, "c": lambda: 3}
    begin = time.monotonic()
    for now in range(100):
        assert helper.ask(questions, now) == {"a": 1, "c": 3}
    assert time.monotonic() - begin < 1
    assert helper.silent == {"b"} and len(asked) == 1
    answer.set()
    while helper.ask(questions, 100) != {"a": 1, "b": 2, "c": 3}:
        assert time.monotonic() - begin < 10
    assert not helper.silent and len(asked) == 2


def test_who_is_slow_does_not_hold_every_frame(helper: Helper[str, int]) -> None:
    def slow() -> int:
        time.sleep(0.25)
        return 1

    begin = time.monotonic()
    for now in range(29):
        helper.ask({"slow": slow}, now)
        time.sleep(0.02)
    assert time.monotonic() - begin < 1.2
