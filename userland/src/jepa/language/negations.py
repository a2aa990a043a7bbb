# SPDX-License-Identifier: Apache-2.0
"""What a negation negates. Any forbids an act, but for one alone that belongs to the wish itself.

Each exception is for one wish and a few words around the negation; a name behind it, or a second negation,
leaves none of them.
"""

from collections.abc import Collection
from typing import Final

from jepa.language.gist import Gist
from jepa.language.lexicon import lexicon
from jepa.language.naming import Naming

_OF_THAT: Final = ("that", "this", "than", "it", "please")
_LESS: Final = ("less", "fewer")
_NEED: Final = frozenset(("have", "has", "need", "needs", "longer"))
_TELLING: Final = frozenset(("does", "did", "is", "was", "has", "will", "can", "could"))
_MUST_NOT: Final = frozenset(("not", "never", "mustn't", "shouldn't", "needn't", "don't", "dont", "no"))

_PROHIBITS: Final = frozenset(("don't", "dont", "never", "mustn't", "shan't"))
_DO: Final = frozenset(("do", "must", "shall", "should", "may"))
_SETS_APART: Final = frozenset(("without", "except", "excluding", "but-not", "avoid", "refrain"))
"""Whoever is named behind one of these is left alone, whether that is known for a name or not."""
_FEW: Final = 3
_YOU: Final = ("you", "u")
_APART: Final = frozenset(("just", "only", "but", "though", "yet", "and"))
"""Before "not", they take something out of what is asked for: "just not so that caddy feels it"."""
_BEFORE: Final = _DO | {"to", "ever", "just", "simply", "even", "you", "u"}


class Negations:
    """The negations of one gist."""

    def __init__(self, gist: Gist, naming: Naming, aside: Collection[int]) -> None:
        """``aside`` are tokens of a condition known word for word: it may say "when nobody is here"."""
        self._gist, self._naming = gist, naming
        self._texts = [token.text for token in gist.tokens]
        self.found = [
            at for at, token in enumerate(gist.tokens) if at not in aside and naming.negates(token)
        ]

    def forbid(self, wish: str) -> bool:
        """Whether something is not to be, so that ``wish`` must not be done."""
        if len(self.found) != 1:
            return bool(self.found)
        harmless = {
            "limit": self.bounds,
            "prioritize": self._promises,
            "reclaim": self._unused,
            "power/save": self._unplugged,
            "service/reload": self._undisturbed,
            "service/disable": self._at_boot,
        }
        return wish not in harmless or not harmless[wish](self.found[0])

    def prohibit(self, wish: str) -> bool:
        """Whether a clause begins with a prohibition of what it says: "please never put caddy on a diet".

        A misspelt negation is taken for one, since what it belongs to cannot be told.
        """
        return self.forbid(wish) and any(
            self._texts[at] not in lexicon().negations or self._prohibits(at) for at in self.found
        )

    def _prohibits(self, negation: int) -> bool:
        words, idle = self._texts, lexicon().idle
        if words[negation] in _SETS_APART or self._ends_with(negation):
            return True
        before = negation - 1
        while before >= 0 and self._gist.tokens[before].kind != "pause" and words[before] in idle | _BEFORE:
            before -= 1
        addressed = negation > 0 and words[negation - 1] in _YOU
        begins = (
            addressed
            or before < 0
            or self._gist.tokens[before].kind == "pause"
            or words[before] in lexicon().joining
        )
        after = next((text for text in words[negation + 1 :] if text not in idle), "")
        # "You must not ..." has lost its opener here.
        must = words[negation - 1] in _DO if negation else self._gist.tokens[0].start > 0
        says = words[negation] in _PROHIBITS or (words[negation] == "not" and must)
        if words[negation] == "not" and negation and words[negation - 1] in _APART:
            return True
        return says and begins and after.isalpha() and after not in lexicon().groups["manners"]

    def _ends_with(self, negation: int) -> bool:
        """Whether all that is behind a pause is "not" and a name or two: "stop caddy, not redis"."""
        behind = self._gist.tokens[negation + 1 :]
        return (
            self._texts[negation] == "not"
            and negation > 0
            and self._gist.tokens[negation - 1].kind == "pause"
            and 0 < sum(token.kind != "pause" for token in behind) <= _FEW
        )

    def bounds(self, negation: int) -> bool:
        """Whether it stands before "more than" and the amount, or behind it: "not a byte more"."""
        places = [at for at, text in enumerate(self._texts) if text in lexicon().groups["more"]]
        if len(self._gist.amounts) != 1 or not places or negation > places[0]:
            return False
        after = all(
            token.kind == "pause" or token.text in _OF_THAT for token in self._gist.tokens[places[-1] + 1 :]
        )
        return places[-1] < min(self._gist.measures) or (negation > max(self._gist.measures) and after)

    def _promises(self, negation: int) -> bool:
        """Whether it belongs to a least amount: "no less than 2 GiB"."""
        texts = self._texts[negation : negation + 3]
        least = len(texts) == 3 and texts[0] in ("no", "not", "never") and texts[1] in _LESS
        return least and texts[2] == "than" and negation + 3 in self._gist.measures

    def _unused(self, negation: int) -> bool:
        """Whether it says what is of no use, behind a word for such: "clutter that nobody needs"."""
        before = [text for text in self._texts[:negation] if text not in ("that", "which", "is", "are")]
        after = [text for text in self._texts[negation + 1 :] if text not in lexicon().idle]
        return (
            bool(before and after)
            and before[-1] in lexicon().groups["clutter"]
            and after[0] in lexicon().groups["used"]
        )

    def _unplugged(self, negation: int) -> bool:
        """Whether it says that there is nothing to plug in: "no socket in this train"."""
        after = [text for text in self._texts[negation + 1 : negation + 4] if text not in lexicon().idle]
        return self._texts[negation] in ("no", "without") and not lexicon().groups["supply"].isdisjoint(
            after[:2]
        )

    def _undisturbed(self, negation: int) -> bool:
        """Whether a service is to read its settings "without a restart"; nothing is named behind."""
        after = self._texts[negation + 1 : negation + 4]
        quiet = self._texts[negation] == "without" and not lexicon().groups["hindered"].isdisjoint(after)
        return quiet and not any(map(self._naming.known, self._gist.tokens[negation:]))

    def _at_boot(self, negation: int) -> bool:
        """Whether it is the start at boot that is not to be: "need no longer start with the computer"."""
        at = negation + 1
        while at < len(self._texts) and (
            self._texts[at] in lexicon().groups["need_to"] or self._texts[at] in lexicon().idle
        ):
            at += 1
        starts = (
            at < len(self._texts)
            and self._texts[at] in lexicon().groups["start"]
            and not lexicon().groups["boot"].isdisjoint(self._texts[at:])
        )
        # "It does not start at boot" says what is wrong, "it does not have to" what is wanted.
        said = self._texts[negation] in _MUST_NOT and self._texts[max(negation - 1, 0)] not in _TELLING
        wanted = said or not _NEED.isdisjoint(self._texts[negation:at])
        return starts and wanted
