# SPDX-License-Identifier: Apache-2.0
"""Names as somebody spells them who wants to get past the guard."""

import random
from collections.abc import Callable

ALIKE = [
    str.maketrans(*pair)
    for pair in (("s", "\u0455"), ("e", "\u0435"), ("i", "\u0456"), ("c", "\u0441"), ("-", "\u2010"))
]
SPELLINGS: list[Callable[[str, str, str, random.Random], str]] = [
    lambda name, stem, kind, dice: "".join(dice.choice((each.upper(), each)) for each in name),
    lambda name, stem, kind, dice: (
        name + dice.choice((".", "..", " ", "\t", "\n", "\0", "\u200b", "/", "//", "/."))
    ),
    lambda name, stem, kind, dice: (
        dice.choice((".", "./", "../", "/", " ", "\ufeff", "/etc/systemd/system/")) + name
    ),
    lambda name, stem, kind, dice: put(name, dice.choice("\u200b\u200d\u00ad\u2060\u0301\u202e"), dice),
    lambda name, stem, kind, dice: name.translate(dice.choice(ALIKE)),
    lambda name, stem, kind, dice: "".join(
        chr(ord(each) + 0xFEE0) if "!" <= each <= "~" else each for each in name
    ),
    lambda name, stem, kind, dice: escaped(name, dice),
    lambda name, stem, kind, dice: f"{name}.d/override.conf",
    lambda name, stem, kind, dice: f"system.slice/../{name}",
    lambda name, stem, kind, dice: name.replace("%", "%%") if "%" in name else f"{name}%i",
    lambda name, stem, kind, dice: name,
]


def put(name: str, what: str, dice: random.Random) -> str:
    at = dice.randint(0, len(name))
    return name[:at] + what + name[at:]


def escaped(name: str, dice: random.Random) -> str:
    at = dice.randrange(len(name)) if name else 0
    return name[:at] + "".join(f"\\x{byte:02x}" for byte in name[at : at + 1].encode()) + name[at + 1 :]


def spelled(name: str, dice: random.Random) -> str:
    """A protected name as somebody might write it who wants it touched all the same."""
    stem, _, kind = name.rpartition(".")
    for _ in range(dice.randint(1, 3)):
        name = dice.choice(SPELLINGS)(name, stem, kind, dice)
    return name
