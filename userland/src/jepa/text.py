# SPDX-License-Identifier: Apache-2.0
"""Text from outside (kernel messages, unit and file names) made safe to show on a terminal."""

import re

_UNSAFE = (
    "[\x00-\x1f\x7f-\x9f"  # C0, DEL and C1: they move the cursor, clear the screen or end the line
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # bidirectional controls: they reorder what is read
    "\u2028\u2029"  # line and paragraph separators
    "\ud800-\udfff]"  # lone surrogates, which no terminal can be sent
)


def shown(text: str) -> str:
    """``text`` on one line, every control character as the escape that Python writes for it.

    C0, DEL and C1 become ``\\x1b``, bidirectional controls and lone surrogates ``\\u202e``. All else, other
    scripts and emoji included, stays as it is. See "Trojan Source" (CVE-2021-42574).
    """
    if text.isprintable():  # nearly all text is, and most commands need not compile the pattern
        return text
    return re.sub(_UNSAFE, _escape, text)


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
