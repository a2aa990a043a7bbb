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


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("the cpu goes over 80 %, put nginx on a diet", "above"),
        ("cpu is crossing 80 %, put nginx on a diet", "above"),
        ("free memory dips under 2 GiB, nginx on a diet", "below"),
    ],
)
def test_a_threshold_needs_no_word_for_if_in_a_clause_of_its_own(text: str, kind: str) -> None:
    spec = _limited(text)
    assert (spec["condition"]["kind"], spec["targets"], spec["amount"]) == (kind, ["nginx"], None)


@pytest.mark.parametrize("text", ["nginx on a diet of cpu under 80 %", "cpu over 80 % of nginx on a diet"])
def test_an_amount_that_is_said_of_who_is_named_is_no_threshold(text: str) -> None:
    spec = _limited(text)
    assert spec["condition"] is None


@pytest.mark.parametrize(
    ("text", "when"),
    [("midnight time put nginx out", {"at": "00:00"}), ("45 min later put nginx out", {"after": "PT45M"})],
)
def test_a_service_is_stopped_at_the_time_that_is_said(text: str, when: dict[str, str]) -> None:
    spec = parse(text, HERE, Says({"service/stop": 1.0}, target=("program",), asks=1.0))
    assert spec["condition"] == {"kind": "time", **when}


def test_of_a_device_it_is_told_that_it_was_plugged_in() -> None:
    encoder = Says({"watch": 1.0}, target=("drive",), asks=1.0)
    assert parse("somebody pokes sdb1 in, inform me", HERE, encoder)["condition"] == {"kind": "plugged"}


def test_a_drive_is_known_by_its_name_where_no_list_has_it() -> None:
    encoder = Says({"device/eject": 1.0}, target=("drive",), asks=1.0)
    spec = parse("sdc wants to come along", LiveInventory(frozenset()), encoder)
    assert (spec["intent"], spec["targets"]) == ("device", ["sdc"])


@pytest.mark.parametrize(
    ("text", "spared"),
    [
        ("restart zorg, nginx remains untouched", ("nginx",)),
        ("zorg and nginx remain untouched, so restart redis", ("zorg", "nginx")),
        ("let nginx be getting more of it", ()),
        ("limit redis but let nginx be", ("nginx",)),
    ],
)
def test_who_stands_before_a_comma_is_in_no_list_with_who_is_spared(text: str, spared: tuple[str]) -> None:
    tokens = tokenise(text.replace("remain untouched", "are untouchable"))
    *_, found = Reader(HERE).without_modifiers(tokens, tokens, ("protect",))
    assert names_in(found) == spared


def test_a_word_that_nobody_knows_is_spared_in_one_list_with_who_is() -> None:
    """In the vocabulary of the encoder most names are in parts."""
    words = ("sweep", "the", "disk", "nothing", "of", "nginx", "or", "smokeping")
    encoder = Says({"reclaim": 1.0}, resource="disk", protect=("program",), asks=1.0, rare=("smokeping",))
    spec = parse(" ".join(words), HERE, encoder)
    assert spec["intent"] == "none" or spec["protect"] == ["nginx", "smokeping"]
    assert "smokeping" in spec["protect"]


def test_everything_but_who_is_named_is_no_limit_on_who_is_named() -> None:
    assert _limited("all of them slower, nginx at that time no")["intent"] == "none"
    assert _limited("nginx slower at that time")["targets"] == ["nginx"]


@pytest.mark.parametrize(
    "text", ["stop nginx... sike", "nginx i start myself already", "dun touch nginx lah"]
)
def test_it_is_taken_back_done_already_or_forbidden_in_other_words(text: str) -> None:
    encoder = Says({"service/start": 1.0}, target=("program",), asks=1.0)
    assert parse(text, HERE, encoder)["intent"] == "none"
