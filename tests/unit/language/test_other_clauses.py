# SPDX-License-Identifier: Apache-2.0
"""A clause beside the one that asks ends an act, unless it plainly says why."""

from collections.abc import Sequence

import pytest

from jepa.language.encoder import Heard
from jepa.language.parser import parse
from tests.unit.language.encoders import HERE, Says


@pytest.mark.parametrize(
    "text",
    [
        "bring zorg down a notch, the others suffer",
        "bring zorg down a notch because the whole office waits",
    ],
)
def test_a_clause_that_says_it_all_is_a_wish(text: str) -> None:
    spec = parse(text, HERE, Says({"limit": 0.9}))
    assert (spec["intent"], spec["targets"]) == ("limit", ["zorg"])


@pytest.mark.parametrize(
    "text",
    [
        "bring zorg down a notch, nginx must survive that",
        "zorg eats far too much; bring nginx down a notch",
        "bring zorg down a notch while nginx runs",
        "bring it down a notch, nginx suffers",
        "bring down a notch whatever zorg waits for",
    ],
)
def test_a_name_in_another_clause_is_no_target_and_ends_it(text: str) -> None:
    assert parse(text, HERE, Says({"limit": 0.9}))["intent"] == "none"


def test_who_suffers_may_be_helped_by_another_clause() -> None:
    class Second(Says):
        def hear(self, words: Sequence[str]) -> Heard | None:
            self.intents = {"prioritize": 0.2 if words[0] == "program" and len(words) < 5 else 0.9}
            return super().hear(words)

    spec = parse("zorg stutters again, give it wings", HERE, Second({}))
    assert (spec["intent"], spec["targets"]) == ("prioritize", ["zorg"])


def test_a_clause_that_does_not_ask_for_it_gives_no_wish() -> None:
    class Whole(Says):
        def hear(self, words: Sequence[str]) -> Heard | None:
            self.intents = {"limit": 0.9 if len(words) > 8 else 0.2}
            return super().hear(words)

    assert parse("bring zorg down a notch, the others suffer", HERE, Whole({}))["intent"] == "none"


def test_what_touches_no_unit_may_have_its_reason_beside_it() -> None:
    assert parse("yikes, roll that one back", HERE, Says({"undo": 0.9}))["intent"] == "undo"


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("zorg is up to no good again, its hunger grows, fence it in", "limit"),
        ("zorg chokes on the line, fence it in", "limit"),
        ("zorg hates the updater, fence it in", "limit"),
        ("zorg hangs on nginx, fence it in", "limit"),
        ("something starves zorg, fence it in", "limit"),
        ("the last thing to try, fence zorg in", "limit"),
        ("if the boss comes, fence zorg in", "limit"),
        ("blow out the dust nobody asked you to touch", "reclaim"),
        ("zorg may not start at the boot of nginx without a restart", "service/reload"),
        ("zorg does not come up at boot", "service/disable"),
        ("no saving of juice with no charger", "power/save"),
        ("scoop out memory nobody is done with", "reclaim"),
    ],
)
def test_what_looks_like_a_reason_and_is_none_ends_it(text: str, wish: str) -> None:
    encoder = Says({wish: 0.9}, target=("program",), resource="memory")
    assert parse(text, HERE, encoder)["intent"] in ("none", "query", "explain")


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("zorg saturates the link, fence it in", "limit"),
        ("the shop stands still, fence zorg in", "limit"),
        ("shrink the appetite of zorg", "limit"),
        ("squash zorg while on battery", "limit"),
        ("fence zorg in, it is far too loud", "limit"),
        ("zorg has new wishes written down, have it take them in without a restart", "service/reload"),
        ("zorg doesn't have to wake up at boot any more", "service/disable"),
        ("be thrifty, no socket for hours", "power/save"),
        ("sweep out junk that nobody needs from memory", "reclaim"),
        ("bump zorg before anybody else", "prioritize"),
        ("sdb1 looks strange to me somehow, shut it out", "device/block"),
    ],
)
def test_a_reason_beside_a_wish_leaves_it_one(text: str, wish: str) -> None:
    found = parse(text, HERE, Says({wish: 0.9}, target=("program",), resource="memory"))
    assert found["intent"] == wish.partition("/")[0]


class Each(Says):
    """An encoder that hears one wish in what begins with "shake", and another in all else."""

    def hear(self, words: Sequence[str]) -> Heard | None:
        self.intents = {"service/restart": 0.9} if words[0] == "shake" else {"limit": 0.9}
        return super().hear(words)


def test_two_wishes_are_not_one_of_them() -> None:
    encoder = Each({}, target=("program",))
    assert parse("fence zorg in", HERE, encoder)["intent"] == "limit"
    assert parse("fence zorg in and shove the tree", HERE, encoder)["intent"] == "limit"
    assert parse("fence zorg in and shake the tree", HERE, encoder)["intent"] == "none"
