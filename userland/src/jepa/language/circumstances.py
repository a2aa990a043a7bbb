# SPDX-License-Identifier: Apache-2.0
"""When a wish holds that the encoder read, where no template knows the words it is said with.

"The processor goes over 5 percent, slow caddy down" has no "if"; "midnight you stop caddy" no "at". Each
needs a clause of its own, or a wish that could mean no such amount or time otherwise.
"""

from collections.abc import Collection
from typing import Any, Final

from jepa.language.gist import Gist
from jepa.language.lexicon import lexicon
from jepa.language.quantities import clocks, durations, iso

_OVER: Final = frozenset(
    ("over", "above", "past", "beyond", "exceeding", "exceeds", "crossing", "crosses", "passing", "passes")
)
_UNDER: Final = frozenset(("under", "below", "beneath"))
_LATER: Final = ("later", "hence", "onwards")
_TIMED: Final = ("service",)
"""Intents that nothing but a condition could give a time of day to: what they do stands at once."""


def implied(gist: Gist, intent: str, names: Collection[int], left: Collection[int]) -> dict[str, Any] | None:
    """The condition of a wish that no template found; ``names`` are the tokens of what is named.

    ``left`` are the tokens that no modifier took.
    """
    found = _threshold(gist, names)
    return found if found is not None or intent not in _TIMED else _time(gist, left)


def _threshold(gist: Gist, names: Collection[int]) -> dict[str, Any] | None:
    """A clause that names a resource and nothing else, and says by a verb that it passes the only amount."""
    if len(gist.amounts) != 1 or not names:
        return None
    first = min(gist.measures)
    tokens, words = gist.tokens, lexicon()
    start = first
    while start > 0 and tokens[start - 1].kind != "pause":
        start -= 1
    end = next((at for at in range(first, len(tokens)) if tokens[at].kind == "pause"), len(tokens))
    if end == len(tokens) or not set(range(start, end)).isdisjoint(names):
        return None
    resources = [at for at in range(start, first) if (tokens[at].text,) in words.resources]
    if not resources:
        return None
    between = [
        tokens[at].text for at in range(resources[-1] + 1, first) if tokens[at].text not in words.idle
    ]
    kind = None
    if not _OVER.isdisjoint(between):
        kind = "above"
    elif not _UNDER.isdisjoint(between) or between[-2:] == ["less", "than"]:
        kind = "below"
    if kind is None or (len(between) < 2 and between[0] in ("over", "above", "past", "under", "below")):
        return None
    resource = words.resources[(tokens[resources[-1]].text,)]
    return {"kind": kind, **gist.amounts[0], "resource": resource}


def _time(gist: Gist, left: Collection[int]) -> dict[str, Any] | None:
    """A time of day, or a span that begins a wait, that is left in the sentence."""
    tokens = gist.tokens
    for at in sorted(left):
        if at in gist.measures:
            continue
        for end, seconds in durations(tokens, at):
            if end < len(tokens) and tokens[end].text in _LATER:
                return {"kind": "time", "after": iso(seconds)}
        said = tokens[at].text
        if ":" in said or said in ("midnight", "noon"):
            for _, clock in clocks(tokens, at):
                return {"kind": "time", "at": clock}
    return None
