# SPDX-License-Identifier: Apache-2.0
"""What JEPA OS needs of a kernel, and which of it a kernel lacks by its config.

A fragment in `kernel-config/` is made of paragraphs: why, then `Without:` and what does not work, then the
options. A kernel's config is a file of `CONFIG_NAME=value` lines, as they are or compressed with gzip. The
kernel itself is not asked.
"""

from __future__ import annotations

import gzip
import platform
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from jepa.errors import JepaError

State = Literal["y", "m", "n"]
"""Built in, or an option that is on; a module; off."""

COMMON = ("base", "virtio", "image", "ebpf", "control", "hardening")
"""Fragments for every architecture, by name."""

ARCHITECTURES = {"X86_64": "x86-64", "ARM64": "arm64"}
"""The option that tells for which architecture a kernel is, and the fragment for it."""

_PLACES = (Path(__file__).parents[1] / "kernel-config", Path(__file__).parents[3] / "kernel-config")
"""Beside the package as the image has it, and in a source tree."""

_SET = re.compile(r"CONFIG_(\w+)=(.*)")
_OFF = re.compile(r"# CONFIG_(\w+) is not set")
_LARGEST = 4 << 20
"""Bytes of a config; Debian's, the largest, has a tenth of it."""
_TOLD = 3
"""How many consequences one sentence names."""


@dataclass(frozen=True, slots=True)
class OptionGroup:
    """Options that serve one purpose, by name without `CONFIG_`, each with what is wanted of it."""

    fragment: str
    reason: str
    without: str
    options: Mapping[str, State]


@dataclass(frozen=True, slots=True)
class Lack:
    """A group that a kernel does not have whole: what is wanted and found of each option that differs."""

    group: OptionGroup
    options: Mapping[str, tuple[State, State]]


def fragments_folder() -> Path:
    """Where the fragments are; JepaError when this copy of the package came without them."""
    for place in _PLACES:
        if place.is_dir():
            return place
    raise JepaError("The table of kernel options is not installed.", "Use the image, or a source tree.")


def parse_fragment(name: str, text: str) -> list[OptionGroup]:
    """The groups of the fragment called ``name``; ValueError for options without a reason."""
    groups = []
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        options: dict[str, State] = {}
        words: list[str] = []
        for line in paragraph.splitlines():
            option = _option(line)
            if option is not None:
                options[option[0]] = option[1]
            elif line.startswith("#"):
                words.append(line.lstrip("# ").rstrip())
            else:
                raise ValueError(f"{name}: {line!r} is neither an option nor a comment")
        reason, found, without = " ".join(words).partition("Without: ")
        if options and not (reason and found):
            raise ValueError(f"{name}: {', '.join(options)} without a reason and a line `Without:`")
        if options:
            groups.append(OptionGroup(name, reason.strip(), without, options))
    return groups


def parse_config(text: str) -> dict[str, str]:
    """The options that are set, without `CONFIG_`; of two lines for one the last holds, as in Kconfig."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        if match := _SET.fullmatch(line):
            found[match[1]] = match[2]
        elif match := _OFF.fullmatch(line):
            found.pop(match[1], None)
    return found


def read_config(path: Path) -> dict[str, str]:
    """The options of the kernel config in the file ``path``; JepaError when that is none."""
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else path.open("rb") as content:
            text = content.read(_LARGEST).decode(errors="replace")
    except (OSError, EOFError, zlib.error) as error:
        raise JepaError(f"{path} cannot be read: {error}.", "Name a kernel's config.", status=404) from None
    config = parse_config(text)
    if not config:
        raise JepaError(f"{path} has no CONFIG_ lines.", "Name a kernel's config.", status=422)
    return config


def running_config(root: Path = Path("/"), release: str | None = None) -> Path | None:
    """The file that tells how the running kernel was configured; None where none does.

    ``root`` is the directory that is searched as `/`, ``release`` the kernel's (default: the one that runs).
    """
    release = release or platform.release()
    places = ("proc/config.gz", f"usr/lib/modules/{release}/config", f"boot/config-{release}")
    return next((root / place for place in places if (root / place).is_file()), None)


def groups_for(config: Mapping[str, str], folder: Path | None = None) -> list[OptionGroup]:
    """All that is asked of a kernel with ``config``; JepaError when it is for no architecture of ours."""
    architecture = next((name for option, name in ARCHITECTURES.items() if config.get(option) == "y"), None)
    if architecture is None:
        raise JepaError(
            "This kernel is neither for x86-64 nor for arm64.", "JEPA OS runs on these.", status=422
        )
    folder = folder or fragments_folder()
    names = (*COMMON, architecture)
    return [
        group for name in names for group in parse_fragment(name, (folder / f"{name}.config").read_text())
    ]


def lacking(groups: Iterable[OptionGroup], config: Mapping[str, str]) -> list[Lack]:
    """What ``config`` does not have of ``groups``. Where a module is wanted, built in does as well."""
    lacks = []
    for group in groups:
        differing: dict[str, tuple[State, State]] = {}
        for name, wanted in group.options.items():
            found = _state(config.get(name))
            if found not in _enough(wanted):
                differing[name] = (wanted, found)
        if differing:
            lacks.append(Lack(group, differing))
    return lacks


def tell(groups: Sequence[OptionGroup], lacks: Sequence[Lack]) -> str:
    """How a kernel compares, in a sentence or two."""
    asked = sum(len(group.options) for group in groups)
    if not lacks:
        return f"The kernel has all {asked} options that are asked of it."
    missing = sum(len(lack.options) for lack in lacks)
    consequences = "; ".join(lack.group.without for lack in lacks[:_TOLD])
    rest = f"; and {len(lacks) - _TOLD} things more" if len(lacks) > _TOLD else ""
    return f"{missing} of {asked} options are missing from the kernel: {consequences}{rest}."


def _option(line: str) -> tuple[str, State] | None:
    if match := _OFF.fullmatch(line):
        return match[1], "n"
    match = _SET.fullmatch(line)
    if match is None:
        return None
    if match[2] == "y":
        return match[1], "y"
    if match[2] == "m":
        return match[1], "m"
    raise ValueError(f"{line!r} is neither y nor m")


def _state(value: str | None) -> State:
    """An option with a number or a text is on."""
    if value is None or value == "n":
        return "n"
    return "m" if value == "m" else "y"


def _enough(wanted: State) -> tuple[State, ...]:
    return ("y", "m") if wanted == "m" else (wanted,)
