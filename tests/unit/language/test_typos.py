# SPDX-License-Identifier: Apache-2.0
"""One letter may be wrong in a word that is known; never so as to make or lose a negation or a name."""

import pytest

from jepa.language.parser import parse
from jepa.language.typos import Spelling, one_edit


@pytest.mark.parametrize(
    ("one", "other", "near"),
    [("limt", "limit", True), ("limmit", "limit", True), ("ilmit", "limit", True), ("lemit", "limit", True),
     ("limit", "limit", False), ("lmt", "limit", False), ("timil", "limit", False)],
)  # fmt: skip
def test_one_edit(one: str, other: str, near: bool) -> None:
    assert one_edit(one, other) == near
    assert one_edit(other, one) == near


def test_an_ambiguous_or_short_word_is_left_alone() -> None:
    assert Spelling(["limit", "light"]).corrected("limt") == "limit"
    assert Spelling(["tap", "capa"]).corrected("cap") is None
    assert Spelling(["watch", "witch"]).corrected("wotch") is None


@pytest.mark.parametrize("word", ["dont't", "dno't", "nevr", "neverr", "whithout", "excep", "donnt"])
def test_a_word_that_may_be_a_negation_is_none_of_anything_else(word: str) -> None:
    assert parse(f"{word} restart nginx")["intent"] == "none"
    assert parse(f"restart {word} nginx")["intent"] == "none"


def test_names_stay_as_they_were_written() -> None:
    assert parse("limmit limmit to 40 %")["intent"] == "none" or parse("limmit limmit to 40 %")[
        "targets"
    ] == ["limmit"]
    assert parse("restrat ngnix")["targets"] == ["ngnix"]
