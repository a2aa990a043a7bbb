# SPDX-License-Identifier: Apache-2.0
"""Misspelt words: an unknown word becomes the one word of the grammar that is a single edit away."""

from collections.abc import Collection, Iterator
from typing import Final

SHORTEST: Final = 4
"""Letters of a word that is corrected."""
LONGEST: Final = 24
MOST: Final = 2
"""Words of a sentence that are corrected."""


def one_edit(one: str, other: str) -> bool:
    """Whether one letter more, less or another, or two neighbours exchanged, makes the one the other."""
    if one == other or abs(len(one) - len(other)) > 1:
        return False
    start = 0
    shortest = min(len(one), len(other))
    while start < shortest and one[start] == other[start]:
        start += 1
    if len(one) == len(other):
        swapped = (
            one[start : start + 2] == other[start : start + 2][::-1]
            and one[start + 2 :] == other[start + 2 :]
        )
        return swapped or one[start + 1 :] == other[start + 1 :]
    longer, shorter = (one, other) if len(one) > len(other) else (other, one)
    return longer[start + 1 :] == shorter[start:]


class Spelling:
    """Finds the words that a misspelt one may have been, by what is left of each without one letter."""

    def __init__(self, words: Collection[str], preferred: Collection[str] = ()) -> None:
        """``preferred`` are those that a word is rather than another that is as near."""
        self._short = sorted(word for word in words if len(word) == SHORTEST - 1)
        self._preferred = preferred
        self._by_rest: dict[str, list[str]] = {}
        for word in words:
            if len(word) >= SHORTEST:
                for rest in {word, *_without_a_letter(word)}:
                    self._by_rest.setdefault(rest, []).append(word)

    def near(self, word: str) -> list[str]:
        """Those one edit away, the shortest first."""
        rests = {word, *_without_a_letter(word)}
        found = {each for rest in rests for each in self._by_rest.get(rest, ()) if one_edit(word, each)}
        return sorted(found, key=lambda each: (len(each), each))

    def corrected(self, word: str) -> str | None:
        """The one that ``word`` was meant to be; None where there is none, or more than one.

        Two count as one where they are forms of each other, such as disk and disks.
        """
        if not word.isalpha() or len(word) > LONGEST:
            return None
        if len(word) < SHORTEST:  # of the short ones only neighbours exchanged, as in wyh
            near = [each for each in self._short if len(each) == len(word) and one_edit(word, each)]
            near = [each for each in near if sorted(each) == sorted(word)]
            return near[0] if len(near) == 1 and len(word) == SHORTEST - 1 else None
        near = self.near(word)
        best = (
            [each for each in near if sorted(each) == sorted(word)]  # neighbours exchanged
            or [each for each in near if len(each) > len(word)]  # a letter forgotten
            or [each for each in near if len(each) < len(word)]  # a letter too many
            or [each for each in near if each[0] == word[0]]
            or near
        )
        best = [each for each in best if each in self._preferred] or best
        return best[0] if len({each.rstrip("s") for each in best}) == 1 else None


def _without_a_letter(word: str) -> Iterator[str]:
    return (word[:at] + word[at + 1 :] for at in range(len(word)))
