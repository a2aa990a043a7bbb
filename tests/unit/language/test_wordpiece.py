# SPDX-License-Identifier: Apache-2.0
"""WordPiece, held against the library that everybody uses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import WordPiece as TheirModel
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from jepa.language.wordpiece import WordPiece

MARKS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
LETTERS = "abcdeionrstü"
PIECES = [
    *MARKS,
    *"abcdeionrst",
    *(f"##{letter}" for letter in "abcdeionrst"),
    *(
        "re",
        "rest",
        "restart",
        "##art",
        "##start",
        "disk",
        "##isk",
        "##ing",
        "on",
        "!",
        "-",
        "'",
        ".",
        "4",
        "##0",
        "0",
    ),
]
OURS = WordPiece(PIECES)


def theirs() -> Tokenizer:
    model = TheirModel(
        {piece: at for at, piece in enumerate(PIECES)}, unk_token="[UNK]", max_input_chars_per_word=100
    )
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    return tokenizer


THEIRS = theirs()


@given(st.lists(st.text(alphabet=LETTERS + "ABÉ!-'.40 \t", min_size=1, max_size=12), max_size=8))
def test_pieces_are_those_of_the_library(words: list[str]) -> None:
    ids, firsts = OURS.encode(words)
    assert ids[1:-1] == THEIRS.encode(" ".join(words)).ids
    assert (ids[0], ids[-1]) == (PIECES.index("[CLS]"), PIECES.index("[SEP]"))
    assert len(firsts) == len(words)


def test_the_first_piece_of_each_word_is_named() -> None:
    ids, firsts = OURS.encode(["restart", "disking", "on"])
    assert [PIECES[ids[at]] for at in firsts] == ["restart", "disk", "on"]
    assert [PIECES[each] for each in ids] == ["[CLS]", "restart", "disk", "##ing", "on", "[SEP]"]


def test_a_word_of_unknown_letters_or_without_end_is_unknown() -> None:
    assert OURS.encode(["xyz", "a" * 101])[0][1:-1] == [OURS.unknown, OURS.unknown]


def test_a_vocabulary_without_its_marks_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\[CLS\]"):
        WordPiece(["[PAD]", "[UNK]", "a"])
