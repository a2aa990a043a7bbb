# SPDX-License-Identifier: Apache-2.0
"""Sentences become tokens that know where they stand; what is no sentence is refused with a question."""

import pytest

from jepa.language.tokens import LONGEST, Unreadable, tokenise


def texts(sentence: str) -> list[str]:
    return [token.text for token in tokenise(sentence)]


@pytest.mark.parametrize(
    ("sentence", "tokens"),
    [
        ("Restart nginx.service.", ["restart", "nginx.service", "."]),
        ("limit gcc to 40%", ["limit", "gcc", "to", "40", "%"]),
        ("cap it at 1.5GiB, please", ["cap", "it", "at", "1.5", "gib", ",", "please"]),
        ("don’t touch user@1000.service", ["don't", "touch", "user@1000.service"]),
        ('call it "My  State"', ["call", "it", "my state"]),
        ("start cups at 18:30", ["start", "cups", "at", "18:30"]),
        ("free /var/lib", ["free", "/var/lib"]),
        ("Dinnae stop caddy, I wisnae done", ["don't", "stop", "caddy", ",", "i", "wasn't", "done"]),
    ],
)
def test_words_numbers_names_and_quotations(sentence: str, tokens: list[str]) -> None:
    assert texts(sentence) == tokens


def test_each_token_knows_where_it_stands() -> None:
    sentence = 'Save "Quiet Night", now.'
    assert [sentence[token.start : token.end] for token in tokenise(sentence)] == [
        "Save", '"Quiet Night"', ",", "now", ".",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "What should be done"),
        (" \t\n", "What should be done"),
        ("a" * (LONGEST + 1), "longer"),
        ("restart\x00nginx", "control characters"),
        ("restart \u202exnign", "control characters"),
        ("\ud800", "control characters"),
        ("?!?", "no word"),
        ("🚀🚀", "no word"),
        ("перезапусти nginx", "English"),
        ("a " * 80, "words"),
    ],
)
def test_what_is_no_sentence_is_refused(text: str, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        tokenise(text)
