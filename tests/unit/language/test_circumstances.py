# SPDX-License-Identifier: Apache-2.0
"""When a wish holds and how long, what a state is called and who is spared, in words that strangers used."""

from typing import Any

import pytest

from jepa.language.inventory import LiveInventory
from jepa.language.parser import parse
from jepa.language.reading import Reader, names_in
from jepa.language.tokens import tokenise
from tests.unit.language.encoders import HERE, Says


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("when i plug the charger in stop nginx", "on_ac"),
        ("whenever the adapter is unplugged stop nginx", "on_battery"),
        ("if we are on ups, stop nginx", "on_battery"),
        ("once the machine goes quiet, stop nginx", "idle"),
        ("when there's nothing going on, stop nginx", "idle"),
        ("if memory below 2 GiB, stop nginx", "below"),
        ("if there's less than 2 GiB of memory to spare, stop nginx", "below"),
        ("in the event cpu exceeds 80 %, stop nginx", "above"),
        ("come noon stop nginx", "time"),
        ("when it is 5 am, stop nginx", "time"),
        ("the day zorg crashes, restart nginx", "failed"),
    ],
)
def test_a_condition_is_found_in_other_words(text: str, kind: str) -> None:
    tokens = tokenise(text)
    *_, found = Reader(HERE).without_modifiers(tokens, tokens, ("condition",))
    assert [each.fields["kind"] for each in found] == [kind]


def _limited(text: str, **said: Any) -> dict[str, Any]:
    return parse(text, HERE, Says({"limit": 1.0}, target=("program",), asks=1.0, **said))


def test_a_span_that_ends_the_sentence_is_how_long_it_stands() -> None:
    assert _limited("nginx on a diet 15 min please")["until"] == "PT15M"
    assert _limited("nginx on a diet in 15 min")["until"] is None


def test_a_limit_under_a_threshold_is_of_no_resource_by_that() -> None:
    spec = _limited("if memory below 2 GiB put nginx on a diet", resource="memory")
    assert (spec["condition"]["kind"], spec["resource"], spec["amount"]) == ("below", None, None)


def test_a_goal_is_called_by_what_stands_behind_its_naming() -> None:
    spec = parse("stick a pin in how it is now, call it desk", HERE, Says({"goal_capture": 1.0}, asks=1.0))
    assert (spec["intent"], spec["goal"]) == ("goal_capture", "desk")


def test_whatever_is_in_front_is_the_foreground() -> None:
    encoder = Says({"prioritize": 1.0}, asks=1.0)
    assert parse("whatever i'm clicking on should win", HERE, encoder)["targets"] == ["foreground"]
    assert parse("the thing should win", HERE, encoder)["intent"] == "none"


def test_memory_is_taken_back_from_who_is_named() -> None:
    encoder = Says({"reclaim": 1.0}, resource="memory", target=("program",), asks=1.0)
    assert parse("wring the surplus from nginx", HERE, encoder)["targets"] == ["nginx"]


def test_nothing_is_done_where_somebody_named_is_neither_meant_nor_spared() -> None:
    encoder = Says({"reclaim": 1.0}, resource="disk", asks=1.0)
    assert parse("sweep the disk out, nginx would weep", HERE, encoder)["intent"] == "none"
    assert parse("sweep the disk out for me", HERE, encoder)["intent"] == "reclaim"


@pytest.mark.parametrize(
    "text",
    [
        "limit zorg, provided that nginx does not suffer by it",
        "clean the disk, files of nginx are forbidden to move",
        "restart zorg and go around nginx",
        "clamp zorg and leave nginx well alone",
    ],
)
def test_what_is_spared_is_found_in_other_words(text: str) -> None:
    tokens = tokenise(text)
    *_, found = Reader(HERE).without_modifiers(tokens, tokens, ("protect",))
    assert names_in(found) == ("nginx",)


def test_a_name_that_ends_like_a_deed_is_spared_in_a_list() -> None:
    spec = parse("limit nginx to 2 cores and don't disturb zorg or smokeping", LiveInventory(frozenset()))
    assert spec["protect"] == ["zorg", "smokeping"]


def test_half_an_apostrophe_is_part_of_a_word() -> None:
    said = [token.text for token in tokenise("go easy wi' the cores' worth, all of 'em")]
    assert said == ["go", "easy", "with", "the", "cores", "worth", ",", "all", "of", "them"]
