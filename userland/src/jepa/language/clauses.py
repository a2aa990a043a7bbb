# SPDX-License-Identifier: Apache-2.0
"""The clauses of a sentence: which one asks, and whether the others only say why.

A clause is told from another by a pause or a word that joins. What stands beside the asking clause may say
what is wrong ("it hangs again, ...") or what for ("... so that I can hear"), and nothing that could take
back or turn around what is asked for. Nothing here lets a negation or a word of sparing through: those end
an act before clauses are looked at.
"""

from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import Final

from jepa.language.gist import Gist
from jepa.language.lexicon import lexicon

REASONS: Final = ("because", "since", "so")
"""Words that begin a reason or a purpose."""
_PRONOUNS: Final = frozenset(
    ("i", "we", "it", "he", "she", "they", "i'm", "we're", "it's", "they're", "there", "that's")
)
"""Subjects that nothing could be named by; not "you", who is asked."""
_OWNED: Final = frozenset(("the", "my", "our", "his", "her", "their", "this", "these", "all", "every"))
_LINKS: Final = frozenset(("because", "since", "as"))
_DOES: Final = frozenset(("has", "have", "must", "can", "will", "should", "may", "shall", "would", "could"))
_EARLY: Final = 4
"""Before which word of a clause the verb of its subject stands, where it has one."""
_LONGEST: Final = 9
"""Words that a clause says of its subject."""


class Clauses:
    """The clauses of one gist."""

    def __init__(self, gist: Gist, parts: Sequence[int], aside: Collection[int] = ()) -> None:
        """``parts`` are the tokens at which one clause ends and another begins, ``aside`` a condition's."""
        tokens = gist.tokens
        self._gist, self._aside = gist, frozenset(aside)
        bounds = [-1, *(at for at in parts if not self._is_amount(at, parts)), len(tokens)]
        every = [range(begin + 1, end) for begin, end in pairwise(bounds)]
        self.every = [clause for clause in every if not self._says_why(clause)]
        """Those that are more than a reason with a subject of its own, which could ask for nothing."""

    def told(self, clause: range) -> bool:
        """Whether ``clause`` says how things are: it has a subject that is not asked, and nothing unreal."""
        words = self._texts(clause)
        if all(word in lexicon().idle for word in words):
            return True
        begins = len(words) > 1 and (words[0] in _PRONOUNS or (words[0] in _OWNED and len(words) > 2))
        return (
            begins
            and lexicon().groups["unreal"].isdisjoint(words)
            and lexicon().groups["when"].isdisjoint(words)
        )

    def says_of_another(self, clause: range) -> bool:
        """Whether ``clause`` seems to say what something else does or is: "redis runs free".

        Its subject may be a name that nobody knows, and what it says a way to leave that alone.
        """
        words = lexicon()
        texts = [text for text in self._texts(clause) if text not in words.idle]
        if self.told(clause) or not texts or texts[0] in words.function | words.relating:
            return False
        return any(text in _DOES or (text.isalpha() and text.endswith("s")) for text in texts[1:_EARLY])

    def orders(self, clause: range, name: Collection[int]) -> bool:
        """Whether ``clause`` begins with neither a subject nor a part of ``name``: with a verb."""
        idle = lexicon().idle
        inner = [at for at in clause if at not in self._aside]
        first = next((at for at in inner if self._gist.tokens[at].text not in idle), None)
        if first is None or first in name:
            return False
        text = self._gist.tokens[first].text
        return text not in lexicon().function | lexicon().relating | _OWNED and not text.endswith("ing")

    def says_of(self, clause: range, name: Collection[int]) -> bool:
        """Whether ``clause`` says of ``name``, its subject, how it is, and names nothing else.

        What stands behind a preposition or an article might be what "it" means in the next clause:
        "caddy chokes on the sync, kill it".
        """
        words = lexicon()
        inner = [
            at for at in clause if self._gist.tokens[at].text not in words.idle | words.determiners | _LINKS
        ]
        if not inner or inner[0] not in name:
            return False
        rest = [self._gist.tokens[at].text for at in range(max(name) + 1, clause.stop)]
        for at, text in enumerate(rest):
            behind = next((each for each in rest[at + 1 :] if each not in words.determiners), "")
            points = text in words.relating or text in words.determiners - {"a"}
            if points and not ((behind,) in words.resources or behind in lexicon().groups["machine"]):
                return False
        return 0 < len(rest) <= _LONGEST and (
            lexicon().groups["unreal"] | lexicon().groups["when"]
        ).isdisjoint(rest)

    def _says_why(self, clause: range) -> bool:
        """Whether ``clause`` is a reason or a purpose with a subject of its own."""
        before = clause.start - 1
        if before < 0 or self._gist.tokens[before].text not in REASONS:
            return False
        words = self._texts(clause)
        return len(words) > 1 and words[0] in _PRONOUNS and lexicon().groups["unreal"].isdisjoint(words)

    def _is_amount(self, at: int, parts: Sequence[int]) -> bool:
        """Whether behind ``at`` stands nothing but an amount: "make it slower, like 2 MB/s"."""
        end = next((each for each in parts if each > at), len(self._gist.tokens))
        inside = range(at + 1, end)
        idle = lexicon().idle | lexicon().groups["about"]
        return (
            not self._gist.measures.isdisjoint(inside)
            and self._gist.tokens[at].kind == "pause"
            and all(each in self._gist.measures or self._gist.tokens[each].text in idle for each in inside)
        )

    def _texts(self, clause: range) -> list[str]:
        tokens = self._gist.tokens
        return [tokens[at].text for at in clause if tokens[at].kind != "pause" and at not in self._aside]
