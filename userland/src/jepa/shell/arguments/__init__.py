# SPDX-License-Identifier: Apache-2.0
"""The verbs of the command line and what each takes, one module a family of verbs."""

from jepa.shell.arguments import actions, machine, packs, recordings, tools, vision
from jepa.shell.usage import Verb

VERBS: tuple[Verb, ...] = (
    *machine.VERBS,
    *actions.VERBS,
    *recordings.VERBS,
    packs.PACKS,
    vision.VISION,
    *tools.VERBS,
)
"""Every verb, in the order of the help."""
