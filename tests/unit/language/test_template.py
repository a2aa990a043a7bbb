# SPDX-License-Identifier: Apache-2.0
"""Templates match word for word, but for words that carry no meaning."""

from collections.abc import Iterator

import pytest

from jepa.language.template import TokenView, compile_template, parse_node


def reading(sentence: str, *idle: str) -> TokenView:
    words = sentence.split()

    def number(at: int) -> Iterator[tuple[int, int]]:
        if words[at].isdecimal():
            yield at + 1, int(words[at])

    return TokenView(words, [word in idle for word in words], {"number": number})


@pytest.mark.parametrize(
    ("template", "sentence", "fits"),
    [
        ("limit it", "limit it", True),
        ("limit it", "limit it not", False),
        ("limit it", "dont limit it", False),
        ("(limit|cap) [all of] it", "cap it", True),
        ("(limit|cap) [all of] it", "cap all of it", True),
        ("(limit|cap) [all of] it", "cap all it", False),
        ("limit it to {number}", "limit it to 40", True),
        ("limit it to {number}", "limit it to many", False),
        ("limit it", "please limit it please", True),
        ("<verb> it", "cap it", True),
        ("[please] [do] {number} it", "please 40 it", True),
        ("([do]|{number}) it", "it", True),
        ("([do]|{number}) it", "40 it", True),
        ("([do|{number}] it|that)", "please please 40 please it", True),
        ("([do] it|{number} that)", "please do that", False),
    ],
)
def test_a_template_fits_a_whole_sentence_or_not(template: str, sentence: str, fits: bool) -> None:
    rules = {"verb": parse_node("limit|cap", {})}
    assert bool(list(compile_template(template, rules, {}).whole(reading(sentence, "please")))) == fits


def test_a_slot_keeps_its_value_and_its_place() -> None:
    (match,) = compile_template("to {number}", {}, {}).whole(reading("to 40"))
    (capture,) = match.captures
    assert (capture.name, capture.value, capture.start, capture.end, match.words) == ("number", 40, 1, 2, 1)


@pytest.mark.parametrize(
    ("template", "ends"),
    [("[to] ({number}|limit it)", [3, 3, 3, None]), ("[to]", [2, 2, 2, 3]), ("it", [None, None, None, 4])],
)
def test_a_template_fits_from_any_place_on_or_not(template: str, ends: list[int | None]) -> None:
    made, view = compile_template(template, {}, {}), reading("so to 40 it", "so")
    found = [max((match.end for match in made.at(view, start)), default=None) for start in range(4)]
    assert found == ends


@pytest.mark.parametrize("text", ["(a", "a)", "[a", "a]", "<nothing> a", "a > b", "{two words}"])
def test_a_template_that_is_not_well_formed_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"understood|closed|closes|rule"):
        compile_template(text, {}, {})
