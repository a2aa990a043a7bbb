# SPDX-License-Identifier: Apache-2.0
"""An explanation as a person reads it: causes in order, under each its evidence with what shows it."""

import time
from collections.abc import Sequence
from typing import Final

from jepa.explanation.evidence import Evidence, Explanation
from jepa.shell.durations import duration
from jepa.shell.output import Output

_MOST: Final = 5
"""Causes that are shown to a person; JSON has all."""


def show(out: Output, explanation: Explanation) -> None:
    """Write ``explanation``."""
    at = time.strftime("%H:%M:%S", time.localtime(explanation.at_ns / 1e9))
    used = f", and {explanation.sampled_s:.0f} s of what units use" if explanation.sampled_s else ""
    out.line(f"{explanation.about} at {at}, from {duration(explanation.over_s)} of frames{used}")
    for number, cause in enumerate(explanation.causes[:_MOST], 1):
        out.line()
        out.line(f"{number}. {out.coloured(cause.summary, 'yellow' if number == 1 else 'dim')}.")
        for each in cause.offenders:
            process = f" ({each.process})" if each.process else ""
            share = each.of if each.share is None else f"{each.share:.0f} % of {each.of}"
            out.line(f"   {each.name}: {share}{process}")
        _evidence(out, cause.evidence)
    if not explanation.causes:
        out.line()
        out.line("Nothing stands out.")
    told = {each for cause in explanation.causes[:_MOST] for each in cause.evidence}
    _section(out, "As it is:", [each for each in explanation.facts if each not in told])
    _section(out, "Changed by jepa of late:", explanation.changes)
    if explanation.limits:
        out.line()
        for sentence in explanation.limits:
            out.line(sentence)


def _section(out: Output, head: str, evidence: Sequence[Evidence]) -> None:
    if evidence:
        out.line()
        out.line(head)
        _evidence(out, evidence)


def _evidence(out: Output, evidence: Sequence[Evidence]) -> None:
    """A line each, with the command beside it where both fit the screen."""
    rows = [[each.text, each.command] for each in evidence]
    if rows and (out.fits(rows, indent=3) or not out.screen):
        out.table(rows, indent=3)
        return
    for text, command in rows:
        out.line(f"   {text}")
        out.line(f"     {command}")
