# SPDX-License-Identifier: Apache-2.0
"""What comes from outside cannot steer the terminal it is shown on."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.text import shown


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mariadbd", "mariadbd"),
        ("größe 名前 🦔 a\u200db", "größe 名前 🦔 a\u200db"),
        ("\x1b[2J\n12:00:00  info", "\\x1b[2J\\x0a12:00:00  info"),
        ("a\tb\x7f\x9b1m", "a\\x09b\\x7f\\x9b1m"),
        ("gpj.\u202egnp", "gpj.\\u202egnp"),
        ("a\u2028b\udc80", "a\\u2028b\\udc80"),
        ("C:\\x", "C:\\x"),
    ],
)
def test_controls_become_escapes_and_letters_stay(text: str, expected: str) -> None:
    assert shown(text) == expected


@given(st.text(alphabet=st.characters(exclude_categories=()), max_size=80))
def test_nothing_shown_is_a_control_or_cannot_be_encoded(text: str) -> None:
    result = shown(text)
    result.encode()
    assert all(unicodedata.category(each) not in ("Cc", "Cs", "Zl", "Zp") for each in result)
    assert all(
        unicodedata.bidirectional(each)
        not in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
        for each in result
    )
