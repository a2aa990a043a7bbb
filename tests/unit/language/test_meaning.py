# SPDX-License-Identifier: Apache-2.0
"""What the encoder says is never enough to touch what is to be left alone, or to do what was negated."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.language.encoder import Heard
from jepa.language.inventory import LiveInventory
from jepa.language.parser import parse, parse_openly
from jepa.language.specs import READS
from jepa.packs.language import Thresholds
from jepa.tasks.spec import TaskSpec
from jepa_lab.language.corpus import sentences

LIMITS = Thresholds(
    temperature=1,
    refuse=0.5,
    reads=0.4,
    acts=0.5,
    named=0.5,
    negated=0.2,
    protected=0.2,
    doubted=0.5,
    withheld=0.2,
    asks=0.9,
    offers=0.7,
    surely=0.8,
)
HERE = LiveInventory(frozenset(("nginx", "nginx.service", "zorg", "sdb1")))
INTENTS = (
    "limit",
    "prioritize",
    "reclaim",
    "service/restart",
    "service/stop",
    "service/reload",
    "service/disable",
    "power/save",
    "device/block",
    "packs/remove",
    "watch",
    "query",
    "explain",
    "undo",
)


@dataclass
class Says:
    """An encoder that says what it is told to."""

    intents: Mapping[str, float]
    refused: float = 0.0
    negated: float = 0.0
    resource: str = "none"
    target: Sequence[str] = ()
    protect: Sequence[str] = ()
    goal: Sequence[str] = ()
    asks: float = 0.5
    thresholds: Thresholds = LIMITS
    asked: list[Sequence[str]] = field(default_factory=list)

    def hear(self, words: Sequence[str]) -> Heard | None:
        self.asked.append(words)
        tags = tuple(map(self._tags, words))
        return Heard(self.intents, self.refused, self.negated, {self.resource: 1.0}, tags, self.asks)

    def _tags(self, word: str) -> Mapping[str, float]:
        tags = {
            name: float(word in of)
            for name, of in (("target", self.target), ("protect", self.protect), ("goal", self.goal))
        }
        return {**tags, "none": 1.0 - max(tags.values())}


class SaysAnything:
    """An encoder that is sure of one thing, and takes every word for part of a name."""

    thresholds = LIMITS

    def __init__(self, intent: str, asks: float = 0.5) -> None:
        self._intent, self._asks = intent, asks

    def hear(self, words: Sequence[str]) -> Heard | None:
        named = {"none": 0.0, "target": 1.0, "protect": 0.0, "goal": 0.0}
        return Heard({self._intent: 1.0}, 0.0, 0.0, {"memory": 1.0}, tuple(named for _ in words), self._asks)


def test_a_sentence_of_no_template_is_understood() -> None:
    spec = parse(
        "put zorg on a strict diet for an hour",
        HERE,
        Says({"limit": 0.9, "query": 0.1}, target=("program",)),
    )
    assert (spec["intent"], spec["targets"], spec["until"]) == ("limit", ["zorg"], "PT1H")
    assert (spec["tier"], spec["confidence"]) == ("encoder", 0.9)
    TaskSpec.model_validate(spec)


def test_a_sentence_that_a_template_says_is_not_asked_about() -> None:
    encoder = Says({"undo": 1.0})
    assert parse("restart nginx", HERE, encoder)["tier"] == "templates"
    assert not encoder.asked


def test_the_encoder_sees_no_name_and_nothing_of_what_is_protected() -> None:
    encoder = Says({"limit": 1.0}, target=("program",))
    spec = parse("put zorg on a strict diet but don't touch nginx", HERE, encoder)
    assert encoder.asked[0] == ["put", "program", "on", "a", "strict", "diet"]
    assert (spec["targets"], spec["protect"]) == (["zorg"], ["nginx"])


def test_a_name_that_only_the_encoder_knows() -> None:
    spec = parse("put flurbel on a strict diet", HERE, Says({"limit": 1.0}, target=("flurbel",)))
    assert spec["targets"] == ["flurbel"]


@pytest.mark.parametrize(
    "text",
    [
        "put zorg on no strict diet",
        "nobody puts zorg on a strict diet",
        "put zorg on a strict diet, nott nginx",
        "put zorg on a strict diet $(reboot)",
    ],
)
def test_negations_and_shell_are_no_wish(text: str) -> None:
    assert parse(text, HERE, Says({"limit": 1.0}, target=("program",)))["intent"] == "none"


def test_a_word_that_may_be_protected_ends_it() -> None:
    encoder = Says({"reclaim": 1.0}, resource="memory", protect=("database",))
    assert (
        parse("scoop out memory while the database keeps all of its own", HERE, encoder)["intent"] == "none"
    )


def test_what_may_be_left_as_it_is_needs_no_negation() -> None:
    sure = {"limit": 0.9}
    assert parse("put zorg on bread", HERE, Says(sure, 0.1, 0.1, target=("program",)))["intent"] == "limit"
    assert parse("put zorg on bread", HERE, Says(sure, 0.3, 0.3, target=("program",)))["intent"] == "none"
    text = "leave zorg at the speed it has"
    assert parse(text, HERE, Says(sure, target=("program",)))["intent"] == "none"


@pytest.mark.parametrize(
    "text",
    [
        "shrink the neighbours of zorg",
        "lighten what weighs on zorg",
        "cut the noise next to zorg",
        "squash the thing starving zorg",
        "soften the blows which zorg gets",
        "make room because zorg chokes",
        "squash it, zorg chokes",
        "squash it without zorg",
    ],
)
def test_who_is_near_or_suffers_is_no_target(text: str) -> None:
    assert parse(text, HERE, Says({"limit": 1.0}, target=("program",)))["intent"] == "none"


@pytest.mark.parametrize(
    "text",
    ["squash the cpu of zorg", "squash all of the zorg", "squash zorg, please"],
)
def test_what_is_a_part_of_the_target_is_about_the_target(text: str) -> None:
    spec = parse(text, HERE, Says({"limit": 1.0}, target=("program",), resource="cpu"))
    assert (spec["intent"], spec["targets"]) == ("limit", ["zorg"])


@pytest.mark.parametrize(
    "text",
    [
        "scoop out memory, node-red stays the size it has",
        "put zorg on a strict diet but ntfy-sh has to be handled with gloves",
        "scoop out memory and mind you do so beside node-red",
    ],
)
def test_what_is_set_apart_in_other_words_ends_it(text: str) -> None:
    assert parse(text, HERE, Says({"reclaim": 1.0}, resource="memory"))["intent"] == "none"
    assert parse(text, HERE, Says({"limit": 1.0}, target=("program",)))["intent"] == "none"


@pytest.mark.parametrize(
    "text",
    [
        "scoop out memory, node-red stays the way it is",
        "scoop out memory but node-red is sacred",
        "scoop out memory, take it from anyone but node-red",
    ],
)
def test_what_is_set_apart_in_known_words_is_protected(text: str) -> None:
    spec = parse(text, HERE, Says({"reclaim": 1.0}, resource="memory"))
    assert (spec["intent"], spec["targets"], spec["protect"]) == ("reclaim", [], ["node-red"])


def test_not_more_than_bounds() -> None:
    spec = parse("zorg ought not to surpass 700 MB", HERE, Says({"limit": 1.0}, target=("program",)))
    assert (spec["intent"], spec["amount"]) == ("limit", {"value": 700, "unit": "MiB"})
    spec = parse("zorg ought to surpass not 700 MB", HERE, Says({"limit": 1.0}, target=("program",)))
    assert spec["intent"] == "none"


def test_a_wish_has_a_place_for_each_name_and_amount() -> None:
    assert (
        parse("shake zorg awake by 40 %", HERE, Says({"service/restart": 1.0}, target=("program",)))[
            "intent"
        ]
        == "none"
    )
    assert (
        parse("squash zorg like nginx does", HERE, Says({"limit": 1.0}, target=("program",)))["intent"]
        == "none"
    )
    assert (
        parse("scrap that thing with zorg", HERE, Says({"undo": 1.0}, target=("program",)))["intent"]
        == "none"
    )


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


def test_whoever_has_something_watched_is_told() -> None:
    assert parse("have both eyes peeled for zorg", HERE, Says({"watch": 0.9}))["notify"]


def test_an_adverb_that_is_taken_for_what_is_left_alone_ends_it() -> None:
    text = "put zorg on a strict diet at nobody's expense, particularly not nginx's"
    assert parse(text, HERE, Says({"limit": 1.0}))["intent"] == "none"


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("let sdb1 join us", "device/allow"),
        ("keep zorg somewhere round 40 %", "limit"),
        ("zorg shall have 2 GiB and not a byte more", "limit"),
        ("I need more breathing room in memory", "reclaim"),
    ],
)
def test_words_of_sparing_that_spare_nothing_beside_some_acts(text: str, wish: str) -> None:
    found = parse(text, HERE, Says({wish: 0.9}, resource="memory"))
    assert found["intent"] == wish.partition("/")[0]


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("let zorg do its thing", "prioritize"),
        ("keep zorg as it was", "limit"),
        ("zorg shall have 2 GiB and not a byte more shall nginx have", "limit"),
        ("there is no need to scoop out memory", "reclaim"),
        ("keep zorg breathing", "service/stop"),
    ],
)
def test_the_same_words_spare_beside_others(text: str, wish: str) -> None:
    assert parse(text, HERE, Says({wish: 0.9}, resource="memory"))["intent"] in ("none", "query")


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


def test_a_word_that_nobody_knows_is_no_program_where_the_encoder_reads_something_else() -> None:
    text = "whos eating the cpu"
    assert parse(text, HERE)["intent"] == "limit"
    assert parse(text, HERE, Says({"explain": 0.9}))["intent"] == "explain"
    assert parse(text, HERE, Says({"explain": 0.1}, refused=0.9))["intent"] == "none"
    parsed = parse_openly(text, HERE, Says({"reclaim": 0.9}, resource="memory"))
    assert [each["intent"] for each in parsed.choices] == ["limit", "reclaim"]


def test_a_missing_target_is_asked_for() -> None:
    parsed = parse_openly("put it on a strict diet", HERE, Says({"limit": 1.0}))
    assert parsed.spec["intent"] == "none"
    assert parsed.open is not None
    assert parsed.open["intent"] == "limit"


def test_what_is_near_is_asked_back() -> None:
    encoder = Says({"limit": 0.45, "service/stop": 0.4, "query": 0.15}, target=("program",))
    parsed = parse_openly("give zorg a rest", HERE, encoder)
    assert parsed.spec["intent"] == "none"
    assert [each["intent"] for each in parsed.choices] == ["limit", "service"]
    assert "limit zorg or service stop zorg" in parsed.spec["question"]


def test_what_is_foreign_is_refused_though_a_question_skips_to_it() -> None:
    text = "how much memory does an elephant have"
    assert parse(text, HERE)["intent"] == "query"
    assert parse(text, HERE, Says({"query": 0.1}, refused=0.9))["intent"] == "none"


def test_a_goal_needs_its_name() -> None:
    spec = parse("carve deepwork into stone", HERE, Says({"goal_capture": 1.0}, goal=("deepwork",)))
    assert (spec["intent"], spec["goal"]) == ("goal_capture", "deepwork")
    assert parse("carve it into stone", HERE, Says({"goal_capture": 1.0}))["intent"] == "none"


@pytest.mark.parametrize("intent", INTENTS)
def test_no_encoder_makes_a_negated_sentence_act_or_a_protected_name_a_target(intent: str) -> None:
    encoder = SaysAnything(intent)
    every = {each.template: each for part in ("dev", "train") for each in sentences(part)}
    for sentence in every.values():
        negations = sentence.kind == "negated" and _has_negation(sentence.text)
        protected = {name for right in sentence.meanings for name in right["protect"]}
        if not negations and not protected:
            continue
        spec = parse(sentence.text, HERE, encoder)
        acts = spec["intent"] not in READS and spec["operation"] != "list"
        assert not (acts and negations), sentence.text
        kept = {name for name in protected if name in spec["protect"]}
        assert not (acts and kept & set(spec["targets"])), sentence.text


def _has_negation(text: str) -> bool:
    from jepa.language.lexicon import lexicon

    return not lexicon().negations.isdisjoint(text.lower().replace(",", " ").split())


@given(st.sampled_from(INTENTS), st.text(max_size=80))
def test_any_text_gives_a_valid_spec(intent: str, text: str) -> None:
    spec = parse(text, HERE, SaysAnything(intent))
    TaskSpec.model_validate(spec)


@pytest.mark.parametrize(
    "text",
    [
        "restart zorg over my dead body",
        "far be it from me to have zorg slowed down",
        "the distro folks suggested to disable zorg",
        "disable zorg; nacked",
        "zorg eats 800% cpu and that's by design",
        "the priority of zorg is adequate",
        "zorg is fine with what it has",
        "if i stop zorg do the scanners die?",
        "pkill zorg, !borg",
        "squeeze zorg to one core, borg gets a pass",
        "squeeze zorg to one core n keep borg in ram",
        "squeeze zorg to one core, borg runs free",
        "squeeze zorg w/o regressing borg",
        "squeeze zorg, nginx's state dir excepted",
    ],
)
@pytest.mark.parametrize("intent", ["limit", "prioritize", "service/stop", "service/disable", "watch"])
def test_what_says_no_in_other_words_is_no_act(text: str, intent: str) -> None:
    assert parse(text, HERE, SaysAnything(intent))["intent"] == "none"


@pytest.mark.parametrize(
    "text", ["like hell restart nginx", "restart nginx over my dead body", "heaven forbid, restart nginx"]
)
def test_templates_do_nothing_beside_what_says_no(text: str) -> None:
    assert parse(text)["intent"] == "none"


DOUBTED = [
    ("zorg doesn't answer any more, put it on a strict diet", "limit"),
    ("don't ask why, put zorg on a strict diet", "limit"),
    ("let zorg have a taste of the whip", "limit"),
    ("it is high time, and be it said, for zorg to breathe its last", "service/stop"),
]
"""Wishes in words that could as well take one back."""


@pytest.mark.parametrize(("text", "wish"), DOUBTED)
def test_an_encoder_that_is_sure_that_it_is_asked_for_clears_a_doubt(text: str, wish: str) -> None:
    spec = parse(text, HERE, Says({wish: 0.9}, target=("program",), asks=0.99))
    assert (spec["intent"], spec["targets"]) == (wish.partition("/")[0], ["zorg"])


@pytest.mark.parametrize(("text", "wish"), DOUBTED)
def test_what_is_doubted_is_asked_back_as_it_was_understood(text: str, wish: str) -> None:
    read = parse_openly(text, HERE, Says({wish: 0.9}, target=("program",), asks=0.8))
    assert (read.spec["intent"], read.spec["tier"]) == ("none", "templates")
    assert [each["targets"] for each in read.choices] == [["zorg"]]
    assert "zorg" in read.spec["question"]


@pytest.mark.parametrize(("text", "wish"), DOUBTED)
def test_what_is_hardly_asked_for_is_not_even_asked_back(text: str, wish: str) -> None:
    read = parse_openly(text, HERE, Says({wish: 0.9}, target=("program",), asks=0.3))
    assert read.spec["intent"] == "none"
    assert not read.choices


@pytest.mark.parametrize(
    ("text", "target", "protect"),
    [
        ("put zorg on a strict diet, nginx has no part in it", ("zorg",), ()),  # a name that is no target
        ("it isn't fair, put flurbel on a strict diet", (), ()),  # whose is it?
        ("it isn't fair, put zorg on a diet that snork likes", ("program",), ("snork",)),
    ],
)
def test_no_doubt_is_cleared_where_a_name_is_not_surely_a_target(
    text: str, target: Sequence[str], protect: Sequence[str]
) -> None:
    encoder = Says({"limit": 0.9}, target=target, protect=protect, asks=1.0)
    assert parse(text, HERE, encoder)["intent"] == "none"


@pytest.mark.parametrize(
    "text",
    [
        "over my dead body will you put zorg on a strict diet",
        "put zorg on a strict diet, !nginx",
        "zorg is fine as it is",
        "if I put zorg on a strict diet, does it whine?",
        "whatever happens, never put zorg on a strict diet",
    ],
)
def test_what_says_no_for_certain_is_no_wish_whatever_the_encoder_is_sure_of(text: str) -> None:
    read = parse_openly(text, HERE, Says({"limit": 1.0}, target=("program",), asks=1.0))
    assert read.spec["intent"] == "none"


def test_what_is_not_asked_for_now_is_not_done_though_no_word_of_it_says_so() -> None:
    text = "put zorg on a strict diet"
    assert parse(text, HERE, Says({"limit": 1.0}, target=("program",), asks=0.5))["intent"] == "limit"
    assert parse(text, HERE, Says({"limit": 1.0}, target=("program",), asks=0.1))["intent"] == "none"


PROHIBITED = (
    "do not {w}",
    "dont {w} now",
    "please never {w}",
    "you must not {w}",
    "wait, don't {w}",
    "dotn {w}",
)
SPARED = (
    "{w}, zorg excluded",
    "{w} and leave nginx alone",
    "{w}, with nginx untouched",
    "nginx is exempt, {w}",
)
ASKED = (
    "put zorg on a strict diet",
    "bring zorg down a notch",
    "give zorg wings",
    "blow the dust out of zorg",
)


@given(
    st.sampled_from(INTENTS),
    st.sampled_from(PROHIBITED),
    st.sampled_from(ASKED),
    st.sampled_from(("", "!", " today")),
)
def test_what_is_prohibited_is_not_done_by_an_encoder_that_is_sure_of_anything(
    intent: str, frame: str, wish: str, end: str
) -> None:
    spec = parse(frame.format(w=wish) + end, HERE, SaysAnything(intent, asks=1.0))
    assert spec["intent"] in ("none", *READS)


@given(st.sampled_from(INTENTS), st.sampled_from(SPARED), st.sampled_from(ASKED))
def test_what_is_surely_spared_is_no_target_of_an_encoder_that_is_sure_of_anything(
    intent: str, frame: str, wish: str
) -> None:
    spec = parse(frame.format(w=wish), HERE, SaysAnything(intent, asks=1.0))
    acts = spec["intent"] not in ("none", *READS)
    assert not acts or "nginx" in spec["protect"]
    assert not acts or "nginx" not in spec["targets"]


@pytest.mark.parametrize(
    "end",
    [
        ", not snork",
        " without touching snork",
        " and not at the cost of snork",
        ", only not so snork feels it",
    ],
)
def test_no_doubt_is_cleared_where_somebody_unknown_is_set_apart(end: str) -> None:
    encoder = Says({"limit": 1.0}, target=("program",), asks=1.0)
    assert parse("put zorg on a strict diet", HERE, encoder)["intent"] == "limit"
    assert "zorg" not in parse("put zorg on a strict diet" + end, HERE, encoder)["targets"] or (
        "snork" in parse("put zorg on a strict diet" + end, HERE, encoder)["protect"]
    )


@pytest.mark.parametrize(
    "text",
    [
        "the diet of zorg was cut by the admin, zorg was restarted",
        "a strict diet for zorg complete",
        "the vendor recommends limiting zorg",
        "would this run any faster with zorg on a diet",
    ],
)
def test_what_is_told_or_imagined_is_no_wish(text: str) -> None:
    encoder = Says({"limit": 1.0}, target=("program",), asks=1.0)
    assert parse(text, HERE, encoder)["intent"] in ("none", *READS)
