#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write docs/reference/actions.md from the catalogue of actions.

``--check`` changes nothing and exits 1 when the page differs from the catalogue.
"""

import sys
import textwrap
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from jepa.actions.catalogue import ActionType, Persistence, catalogue
from jepa.actions.values import takes
from jepa.shell.verbs.actions import limits, synopsis

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "actions.md"
HEAD = """\
# Actions

What `jepa act` can set. This page is written by `python -m tools.action_reference` from the catalogue,
`userland/src/jepa/actions/action_types/`; `jepa actions` shows the same, with what the machine it runs on
lacks, and `jepa actions NAME` one action.

Tiers: `tune` is reversible and harmless; `disrupt` interrupts somebody's work and `irreversible` cannot be
taken back, so that consent is asked for. [How to change a setting](../how-to/change-a-setting.md).
"""


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for family, actions in groupby(catalogue().values(), key=lambda action: action.family):
        parts.append(f"## {family.replace('_', ' ').capitalize()}\n")
        parts += ["\n".join(_lines(action)) for action in actions]
    return "\n".join(parts)


def _lines(action: ActionType) -> Iterator[str]:
    yield f"### `{action.name}`"
    yield ""
    yield f"{action.summary[0].upper()}{action.summary[1:]}. `{synopsis(action)}`"
    yield ""
    facts = [f"Tier `{action.tier}`"]
    if action.takes_value:
        facts.append(f"takes {takes(action)}")
    if not action.reversible:
        facts.append("cannot be taken back")
    else:
        facts.append(f"taken back by: {action.inverse}")
        if action.persistence is Persistence.PERSISTENT:
            facts.append("outlives a restart of the machine")
    if action.excludes:
        facts.append(f"excludes {', '.join(f'`{name}`' for name in action.excludes)}")
    yield from textwrap.wrap(f"{'; '.join(facts)}. {limits(action)}", 120)
    yield ""
    for paragraph in action.description.strip().split("\n"):
        yield from textwrap.wrap(paragraph.strip(), 120) or [""]
    yield ""
    yield f"    {action.example}"
    yield ""


def main() -> int:
    """Write or check the page."""
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page())
        return 0
    if PAGE.exists() and PAGE.read_text() == page():
        return 0
    print(f"{PAGE} differs from the catalogue; run python -m tools.action_reference", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
