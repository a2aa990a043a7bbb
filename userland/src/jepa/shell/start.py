# SPDX-License-Identifier: Apache-2.0
"""Chooses between the full screen and plain lines, and starts the one that suits the terminal."""

import codecs
import locale
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from jepa.service.api import Client

PLAIN_TERMS = frozenset({"", "dumb", "unknown", "vt100", "vt102", "vt220"})
"""Terminals that cannot, or can hardly, show a full screen."""
SERIAL = ("/dev/ttyS", "/dev/ttyAMA", "/dev/ttyUSB", "/dev/hvc")
"""Lines too slow for a full screen, whatever TERM claims."""


@dataclass(frozen=True, slots=True)
class Terminal:
    """What is known of the terminal the shell was started on."""

    interactive: bool
    """Whether both input and output are a terminal."""
    device: str
    """The terminal's device, such as /dev/tty1; empty when there is none."""
    encoding: str
    """What the locale encodes text in."""
    env: Mapping[str, str]

    @classmethod
    def here(cls) -> "Terminal":
        """The terminal of this process."""
        interactive = sys.stdin.isatty() and sys.stdout.isatty()
        device = os.ttyname(sys.stdin.fileno()) if interactive else ""
        return cls(interactive, device, locale.getpreferredencoding(False), os.environ)

    @property
    def term(self) -> str:
        """The value of TERM."""
        return self.env.get("TERM", "")

    @property
    def serial(self) -> bool:
        """Whether the terminal hangs on a serial line, or says it is one that did."""
        return self.device.startswith(SERIAL) or self.term in PLAIN_TERMS


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
    return wish != "0" if wish else terminal.serial


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
    draw_every = 2 if terminal.serial else 1
    if not _unicode(terminal.encoding) or terminal.term in PLAIN_TERMS:
        return Looks("ascii", theme or "ansi-dark", draw_every, "none")
    if terminal.term == "linux":
        return Looks("block", theme or "ansi-dark", draw_every, "none")
    return Looks("braille", theme or "textual-dark", draw_every, "none" if terminal.serial else "basic")


def _unicode(encoding: str) -> bool:
    try:
        return codecs.lookup(encoding).name == "utf-8"
    except LookupError:
        return False


def run(client: Client, plain: bool | None = None) -> int:
    """Run the shell until the person leaves; ``plain`` overrides what the terminal suggests."""
    from jepa.shell.cli import run_line, verbs
    from jepa.shell.complete import Vocabulary

    terminal = Terminal.here()
    vocabulary = Vocabulary(verbs())
    if wants_plain(terminal, plain):
        from jepa.shell.plain import PlainShell

        return PlainShell(client, run_line, vocabulary).run()

    look = looks(terminal)
    # Loading Textual takes a second, and half a minute on an emulated machine.
    print("jepa: opening the full screen ...", end="\r", flush=True)
    # Textual reads this when it is imported.
    os.environ.setdefault("TEXTUAL_ANIMATIONS", look.animations)
    from jepa.shell.tui.app import ShellApp
    from jepa.shell.tui.draw import Glyphs

    app = ShellApp(
        client,
        run_line,
        vocabulary,
        glyphs=Glyphs(look.glyphs),
        theme=look.theme,
        draw_every=look.draw_every,
    )
    return app.run() or 0
