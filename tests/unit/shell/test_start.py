# SPDX-License-Identifier: Apache-2.0
import pytest

from jepa.shell.start import Looks, Terminal, looks, wants_plain


def terminal(
    term: str | None = "xterm-256color",
    device: str = "/dev/pts/1",
    interactive: bool = True,
    encoding: str = "UTF-8",
    **env: str,
) -> Terminal:
    return Terminal(interactive, device, encoding, env if term is None else {"TERM": term, **env})


@pytest.mark.parametrize(
    ("where", "asked", "plain"),
    [
        (terminal(), None, False),
        (terminal(), True, True),
        (terminal("linux", "/dev/tty1"), None, False),
        (terminal(JEPA_PLAIN="1"), None, True),
        (terminal(JEPA_PLAIN="1"), False, False),
        (terminal(JEPA_PLAIN=""), None, False),
        (terminal(None), None, True),
        (terminal(""), None, True),
        *((terminal(term), None, True) for term in ("dumb", "unknown", "vt100", "vt102", "vt220")),
        (terminal("vt220"), False, False),
        (terminal("xterm", "/dev/ttyS0"), None, True),
        (terminal("xterm", "/dev/ttyAMA0"), None, True),
        (terminal("xterm", "/dev/hvc0"), None, True),
        (terminal("xterm", "/dev/ttyS0"), False, False),
        (terminal("xterm", "/dev/ttyS0", JEPA_PLAIN="0"), None, False),
        (terminal(interactive=False), None, True),
        (terminal(interactive=False), False, True),
    ],
)
def test_plain_lines_where_a_full_screen_would_not_do(
    where: Terminal, asked: bool | None, plain: bool
) -> None:
    assert wants_plain(where, asked) is plain


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (terminal(), Looks("braille", "jepa-dark", 1, "basic")),
        (terminal(TEXTUAL_THEME="nord"), Looks("braille", "nord", 1, "basic")),
        (terminal("linux", "/dev/tty1"), Looks("block", "ansi-dark", 1, "none")),
        (terminal(encoding="ANSI_X3.4-1968"), Looks("ascii", "ansi-dark", 1, "none")),
        (terminal(encoding="nonsense"), Looks("ascii", "ansi-dark", 1, "none")),
        (terminal("vt220", "/dev/ttyS0"), Looks("ascii", "ansi-dark", 2, "none")),
        (terminal("xterm-256color", "/dev/hvc0"), Looks("braille", "jepa-dark", 2, "none")),
    ],
)
def test_the_full_screen_draws_what_the_terminal_can_show(where: Terminal, expected: Looks) -> None:
    assert looks(where) == expected
