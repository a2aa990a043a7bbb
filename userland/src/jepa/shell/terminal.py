# SPDX-License-Identifier: Apache-2.0
"""What the terminal of this process can show, judged by its type, its line and the locale."""

import codecs
import errno
import os
import re
import sys
from collections.abc import Mapping
from typing import NamedTuple

FULL_SCREEN = frozenset(
    (
        "alacritty",
        "contour",
        "cygwin",
        "eterm",
        "foot",
        "ghostty",
        "gnome",
        "iterm",
        "iterm2",
        "kitty",
        "konsole",
        "kterm",
        "linux",
        "mintty",
        "mlterm",
        "nsterm",
        "putty",
        "rio",
        "rxvt",
        "screen",
        "st",
        "terminator",
        "terminology",
        "termite",
        "tmux",
        "vscode",
        "vte",
        "wezterm",
        "xterm",
    )
)
"""Terminal types, without what follows ``-``, ``.`` or ``+``, that address the cursor and show colours.

A list and not terminfo, because a minimal system has no entry for most of them. A type that is not here gets
plain lines, which every terminal shows.
"""
SERIAL = ("/dev/ttyS", "/dev/ttyAMA", "/dev/ttyUSB", "/dev/hvc")
"""Lines too slow for a full screen, whatever TERM claims."""


class Terminal(NamedTuple):
    """What is known of the terminal the shell was started on."""

    interactive: bool
    """Whether standard input, output and error are all a terminal."""
    device: str
    """The terminal's device, such as /dev/tty1; empty when there is none or it has no name here."""
    encoding: str
    """What the locale encodes text in."""
    env: Mapping[str, str]

    @classmethod
    def here(cls) -> "Terminal":
        """The terminal of this process; standard streams must be open (`open_standard_streams`)."""
        # Textual draws on standard error, so that must not go elsewhere either.
        import locale

        interactive = sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()
        device = device_name(sys.stdin.fileno()) if interactive else ""
        return cls(interactive, device, locale.getencoding(), os.environ)

    @property
    def term(self) -> str:
        """The value of TERM."""
        return self.env.get("TERM", "")

    @property
    def full_screen(self) -> bool:
        """Whether the type of the terminal is one that shows a full screen."""
        return re.split(r"[-.+]", self.term.lower(), maxsplit=1)[0] in FULL_SCREEN

    @property
    def serial(self) -> bool:
        """Whether the terminal is known to be a serial line."""
        return self.device.startswith(SERIAL)

    @property
    def unicode(self) -> bool:
        """Whether the terminal shows more than ASCII and the glyphs of the Linux console."""
        return is_utf8(self.encoding) and self.full_screen and self.term != "linux"

    @property
    def colours(self) -> bool:
        """Whether colours are shown and wanted: not with $NO_COLOR, nor on a monochrome type."""
        mono = self.term.endswith(("-m", "-mono"))
        return self.full_screen and not mono and not self.env.get("NO_COLOR")


def is_utf8(encoding: str) -> bool:
    """Whether ``encoding`` is a name of UTF-8."""
    try:
        return codecs.lookup(encoding).name == "utf-8"
    except LookupError:
        return False


def device_name(fd: int) -> str:
    """The device of the terminal ``fd``; empty when it has no name here, as in another mount namespace."""
    try:
        return os.ttyname(fd)
    except OSError:
        return ""


def columns(environ: Mapping[str, str] = os.environ) -> int:
    """How wide the screen is; as shutil.get_terminal_size, whose module takes long to import."""
    wish = environ.get("COLUMNS", "")
    if wish.isascii() and wish.isdecimal() and int(wish) > 0:
        return int(wish)
    try:
        return os.get_terminal_size(1).columns or 80
    except OSError:
        return 80


def end_with_terminal(fd: int) -> None:
    """End this process at once when the terminal ``fd`` is gone, such as a window that was closed.

    SIGHUP does so too, but not with nohup, and Textual would wait for ever to write its next change.
    """
    import select
    import signal
    import threading

    def wait() -> None:
        poll = select.poll()
        poll.register(fd, 0)
        while not any(what & (select.POLLHUP | select.POLLERR) for _, what in poll.poll()):
            pass
        os._exit(128 + signal.SIGHUP)

    threading.Thread(target=wait, name="hang-up", daemon=True).start()


def open_standard_streams() -> None:
    """Open /dev/null for each standard stream that is closed.

    Otherwise the first file or socket opened takes the number, and what is meant for a person goes into it.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError as error:
            if error.errno != errno.EBADF:
                raise
            # The lowest free number is taken, and those below are open by now.
            os.open(os.devnull, os.O_RDONLY if mode == "r" else os.O_WRONLY)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, closefd=False))


def flush_output() -> None:
    """Write what is buffered for standard output and error; what nobody can take any more goes to /dev/null.

    Otherwise the interpreter fails again when it flushes at its end, and exits with 120.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, stream.fileno())
            os.close(null)
