# SPDX-License-Identifier: Apache-2.0
"""WordPiece, as BERT's uncased vocabulary is read: each word as its longest known pieces, from the left."""

import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

_LONGEST: Final = 100
"""Characters of a word; a longer one is unknown."""
UNKNOWN, START, END, PADDING = "[UNK]", "[CLS]", "[SEP]", "[PAD]"


class WordPiece:
    """A vocabulary: its line number is the number of each piece."""

    def __init__(self, pieces: Iterable[str]) -> None:
        """ValueError where one of the four marks is missing."""
        self._ids = {piece: number for number, piece in enumerate(pieces)}
        lacking = [mark for mark in (UNKNOWN, START, END, PADDING) if mark not in self._ids]
        if lacking:
            raise ValueError(f"the vocabulary lacks {lacking[0]}")
        self.unknown, self.start, self.end, self.padding = (
            self._ids[mark] for mark in (UNKNOWN, START, END, PADDING)
        )

    def __len__(self) -> int:
        return len(self._ids)

    def encode(self, words: Sequence[str]) -> tuple[list[int], list[int]]:
        """The numbers of all pieces, between start and end, and where the first of each word stands.

        A word of which nothing is left, such as a lone accent, stands where the next one does.
        """
        ids, firsts = [self.start], []
        for word in words:
            firsts.append(len(ids))
            for part in parts(word):
                ids += self._pieces(part)
        return [*ids, self.end], firsts

    def _pieces(self, word: str) -> list[int]:
        if len(word) > _LONGEST:
            return [self.unknown]
        found: list[int] = []
        at = 0
        while at < len(word):
            end = len(word)
            while end > at:
                piece = self._ids.get(word[at:end] if at == 0 else "##" + word[at:end])
                if piece is not None:
                    found.append(piece)
                    break
                end -= 1
            else:
                return [self.unknown]
            at = end
        return found


@lru_cache(2048)
def parts(text: str) -> tuple[str, ...]:
    """``text`` in lower case and without accents, cut at spaces, and each mark by itself."""
    found: list[str] = []
    open_word = False
    for char in unicodedata.normalize("NFD", text.lower()):
        if unicodedata.category(char) == "Mn" or ord(char) == 0 or ord(char) == 0xFFFD:
            continue
        if char.isspace():
            open_word = False
        elif _is_mark(char):
            found.append(char)
            open_word = False
        elif open_word:
            found[-1] += char
        else:
            found.append(char)
            open_word = True
    return tuple(found)


def _is_mark(char: str) -> bool:
    """Whether a character stands by itself: punctuation, and all signs of ASCII."""
    return (char.isascii() and not char.isalnum()) or unicodedata.category(char).startswith("P")
