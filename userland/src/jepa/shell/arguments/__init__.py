# SPDX-License-Identifier: Apache-2.0
"""The verbs of the command line and what each takes: a module a family, imported when it is needed."""

import importlib

from jepa.shell.usage import Verb

FAMILIES = {
    "machine": (
        "status",
        "doctor",
        "watch",
        "forecast",
        "explain",
        "plan",
        "events",
        "alerts",
        "today",
        "tour",
    ),
    "language": ("parse",),
    "plans": ("apply", "do", "tasks", "learning"),
    "goals": ("signal", "goal"),
    "actions": ("act", "actions", "undo", "history", "run", "grants", "policy", "autonomy"),
    "recordings": ("record", "evaluate"),
    "packs": ("packs",),
    "updates": ("update", "encryption"),
    "fleet": ("fleet",),
    "vision": ("vision",),
    "tools": ("habits", "mcp", "serve", "completion"),
}
"""The verbs of each module."""
NAMES = tuple(name for names in FAMILIES.values() for name in names)
"""Every verb, in the order of the help."""


def verb(name: str) -> Verb:
    """The verb of ``NAMES`` that is called ``name``."""
    family = next(family for family, names in FAMILIES.items() if name in names)
    found: tuple[Verb, ...] = importlib.import_module(f"{__name__}.{family}").VERBS
    return found[FAMILIES[family].index(name)]


def verbs() -> tuple[Verb, ...]:
    """Every verb, in the order of the help."""
    return tuple(map(verb, NAMES))
