# SPDX-License-Identifier: Apache-2.0
"""Names as they are compared: what looks alike is alike, so that no spelling evades a rule that forbids."""

import re
import unicodedata
from collections.abc import Iterable
from fnmatch import translate
from functools import lru_cache
from typing import Final

_ESCAPE = re.compile(rb"\\x([0-9a-fA-F]{2})")
_LOOK_ALIKE: Final = str.maketrans(
    "аеорсухіјѕһԁԛԝвкмтнɡıⅼοαρυνικτ" + "‐‑‒–—−",
    "aeopcyxijshdqwbkmthgiloapuvikt" + "------",
)
_TYPES: Final = (
    "service socket target device mount automount swap timer path slice scope".split()  # noqa: SIM905
)


def unescaped(name: str) -> str:
    """``name`` with systemd's escapes of bytes of UTF-8 resolved, also those that only others make."""
    data = name.encode(errors="surrogatepass")
    while (resolved := _ESCAPE.sub(lambda found: bytes([int(found[1], 16)]), data)) != data:
        data = resolved
    return data.decode(errors="replace")


@lru_cache(maxsize=4096)
def folded(name: str) -> str:
    """``name`` with escapes resolved, look-alikes and case folded, and nothing invisible left."""
    text = unicodedata.normalize("NFKD", unescaped(name))
    text = "".join(each for each in text if unicodedata.category(each)[0] not in "CMZ")
    return text.casefold().translate(_LOOK_ALIKE).strip("./")


def plain(name: str) -> bool:
    """Whether ``name`` has only the characters that systemd allows in the name of a unit."""
    return bool(re.fullmatch(r"[A-Za-z0-9:_.\\@-]{1,255}", name, re.ASCII))


def is_unit(name: str) -> bool:
    """Whether ``name`` can be that of a unit: systemd's characters, and a type."""
    return plain(name) and name.rpartition(".")[2] in _TYPES and not name.startswith(".")


def names_of(unit: str) -> Iterable[str]:
    """What a rule may call a unit: its name, without its type, and the template it is an instance of."""
    yield unit
    stem, dot, kind = unit.rpartition(".")
    if not dot or kind not in _TYPES:
        return
    yield stem
    template, at, instance = stem.partition("@")
    if at and instance:
        yield f"{template}@.{kind}"
        yield template


@lru_cache(maxsize=1024)
def _pattern(glob: str) -> re.Pattern[str]:
    return re.compile(translate(glob))


@lru_cache(maxsize=1024)
def _any_of(globs: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(translate, globs)))


def matches_exactly(glob: str, name: str) -> bool:
    """Whether a rule that permits means ``name``: as written, all of it. ``*`` and ``?`` as in a shell."""
    return _pattern(glob).fullmatch(name) is not None


def matches_widely(globs: tuple[str, ...], names: Iterable[str]) -> bool:
    """Whether a rule that forbids means any of ``names`` by any of ``globs``, however they are spelled."""
    if not globs:
        return False
    written, wide = _any_of(globs), _any_of(tuple(map(folded, globs)))
    return any(wide.fullmatch(folded(name)) or written.fullmatch(name) for name in names)
