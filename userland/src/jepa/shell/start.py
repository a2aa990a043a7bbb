# SPDX-License-Identifier: Apache-2.0
"""Chooses between the full screen and plain lines, and starts the one that suits the terminal."""

import gc
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from jepa.service.api import Client
from jepa.shell.complete import Vocabulary
from jepa.shell.habits.habits import Habits
from jepa.shell.habits.store import HabitStore, default_path
from jepa.shell.prompt_line import LineRunner, actions, verbs
from jepa.shell.terminal import Terminal, end_with_terminal, is_utf8


def wants_plain(terminal: Terminal, plain: bool | None) -> bool:
    """Whether to speak in plain lines; ``plain`` is what the person asked for, None when nothing.

    JEPA_PLAIN=1 asks for plain lines and JEPA_PLAIN=0 for the full screen, also on a serial line. Without a
    terminal there is no full screen, whatever was asked for.
    """
    if not terminal.interactive:
        return True
    if plain is not None:
        return plain
    wish = terminal.env.get("JEPA_PLAIN", "")
    return wish != "0" if wish else terminal.serial or not terminal.full_screen


@dataclass(frozen=True, slots=True)
class Looks:
    """How the full screen draws on a terminal."""

    glyphs: Literal["braille", "block", "ascii"]
    theme: str
    draw_every: int
    """Frames from one drawing to the next."""
    animations: Literal["none", "basic"]


def looks(terminal: Terminal) -> Looks:
    """What the terminal can show: a console has few colours and glyphs, a serial line few bytes a second."""
    theme = terminal.env.get("TEXTUAL_THEME", "")
    draw_every = 2 if terminal.serial or not terminal.full_screen else 1
    console = terminal.term == "linux" and is_utf8(terminal.encoding)
    if console:
        return Looks("block", theme or "ansi-dark", draw_every, "none")
    # Without colours the shade of a band is invisible; ASCII has a sign for it.
    if not terminal.unicode or not terminal.colours:
        return Looks("ascii", theme or "ansi-dark", draw_every, "none")
    return Looks("braille", theme or "jepa-dark", draw_every, "none" if terminal.serial else "basic")


def run(client: Client, plain: bool | None = None) -> int:
    """Run the shell until the person leaves; ``plain`` overrides what the terminal suggests."""
    terminal = Terminal.here()
    vocabulary = Vocabulary(verbs(), actions=actions(), look_up=_candidates)
    habits = Habits(HabitStore(default_path(os.environ)))
    if wants_plain(terminal, plain):
        from jepa.shell.plain import PlainShell

        return PlainShell(client, LineRunner(), vocabulary, habits=habits).run()

    look = looks(terminal)
    # Loading Textual takes a second, and half a minute on an emulated machine.
    print("jepa: opening the full screen ...", end="\r", flush=True)
    # What is loaded stays, and to look for garbage in it takes a sixth of the time to the first paint; after
    # that the screen turns it on again.
    gc.disable()
    # Textual reads this when it is imported.
    os.environ.setdefault("TEXTUAL_ANIMATIONS", look.animations)
    from jepa.shell.tui.app import ShellApp
    from jepa.shell.tui.draw import Glyphs

    end_with_terminal(sys.stdin.fileno())
    app = ShellApp(
        client,
        LineRunner(),
        vocabulary,
        habits=habits,
        glyphs=Glyphs(look.glyphs),
        theme=look.theme,
        draw_every=look.draw_every,
    )
    return app.run() or 0


def _candidates(words: Sequence[str]) -> list[str]:
    from jepa.shell.candidates import candidates  # the catalogue of actions: only a Tab needs it

    return candidates(words)
