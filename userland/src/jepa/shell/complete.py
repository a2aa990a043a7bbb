# SPDX-License-Identifier: Apache-2.0
"""Completes what a person types: verbs, then their actions, or what each verb takes, such as channels."""

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

CHANNEL_VERBS = ("forecast", "watch", "explain")
"""Verbs whose arguments are channel names."""
_NUMBER = re.compile(r"\d+(?:[.,]\d+)?")
"""Behind one stands its unit, which is no name: "for 1 h" is not about hwrng."""


class Vocabulary:
    """The words the prompt knows; channels arrive when the service has named them."""

    def __init__(
        self,
        verbs: Iterable[str],
        channels: Iterable[str] = (),
        actions: Mapping[str, Sequence[str]] | None = None,
        look_up: Callable[[Sequence[str]], list[str]] = lambda words: [],
    ) -> None:
        self.verbs = sorted(set(verbs))
        self.actions = actions or {}
        """What may follow a verb, such as ``list`` after ``packs``."""
        self.channels = list(channels)
        self.names: list[str] = []
        """Of units and processes that run, for sentences."""
        self._look_up = look_up

    def completions(self, line: str) -> list[str]:
        """Every whole line that ``line`` can become by completing its last word.

        Channels also complete from the middle of their name, so that ``forecast cpu`` finds
        ``system.cpu.utilization``; names that begin with the word go first.
        """
        head, space, word = line.rpartition(" ")
        words = head.split()
        if words and words[0] == "jepa":
            words = words[1:]
        if not words:
            found = [verb for verb in self.verbs if verb.startswith(word)]
        elif len(words) == 1 and words[0] in self.actions:
            found = [action for action in self.actions[words[0]] if action.startswith(word)]
        elif words[0] in CHANNEL_VERBS and not word.startswith("-"):
            rest = [name for name in self.channels if name not in words]
            found = [name for name in rest if name.startswith(word)]
            found += [name for name in rest if word and word in name and name not in found]
        elif words[0] in self.verbs:
            found = self._look_up([*words, word])
        elif _NUMBER.fullmatch(words[-1]):
            found = []
        else:
            found = [name for name in self.names if word and name.startswith(word)]
        return [f"{head}{space}{choice}" for choice in found]

    def extend(self, line: str) -> tuple[str, list[str]]:
        """The line completed as far as it is certain, and the completions left to choose from.

        A single completion is closed with a space. Where several match in the middle of a name the line
        stays as typed.
        """
        found = self.completions(line)
        if len(found) == 1:
            return found[0] + " ", found
        agreed = os.path.commonprefix(found)  # noqa: RUF071  (character by character is what completion means)
        return (agreed if agreed.startswith(line) else line), found
