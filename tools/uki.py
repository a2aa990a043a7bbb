# SPDX-License-Identifier: Apache-2.0
"""Read a unified kernel image: the command line of each profile and the system's release."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

_SECTION = struct.Struct("<8sIIII16x")
"""Of a PE section's header: name, size in memory, address in memory, size in the file, place in the file."""


def content(uki: Path, name: str) -> bytes:
    """Return what is in the first section `name` of `uki`; ValueError as `_sections`, or without one."""
    for found, data in _sections(uki):
        if found == name:
            return data
    raise ValueError(f"{uki} has no section {name}")


def _sections(uki: Path) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of each section; ValueError when `uki` is no PE file.

    A PE file tells at 0x3c where its header is; the table of sections follows that and an optional one.
    """
    data = uki.read_bytes()
    try:
        (header,) = struct.unpack_from("<I", data, 0x3C)
        magic, sections, optional = struct.unpack_from("<4s2xH12xH2x", data, header)
        if magic != b"PE\0\0":
            raise ValueError(f"{uki} is no PE file")
        table = header + 24 + optional
        for number in range(sections):
            name, size, _, stored, place = _SECTION.unpack_from(data, table + number * _SECTION.size)
            yield name.rstrip(b"\0").decode(), data[place : place + min(size, stored)]
    except struct.error as error:
        raise ValueError(f"{uki} is cut short: {error}") from None


def section(uki: Path, name: str) -> str:
    """Return the text in the section `name` of `uki`; ValueError as `content`."""
    return _text(content(uki, name))


def _text(content: bytes) -> str:
    return content.rstrip(b"\0\n").decode()


def _id(profile: bytes) -> str:
    """What the section `.profile` says its ID is."""
    settings = dict(line.split("=", 1) for line in _text(profile).splitlines() if "=" in line)
    return settings["ID"].strip('"')


def profiles(uki: Path) -> dict[str, str]:
    """Return the kernel's command line in each profile by its ID; the first is what starts by itself.

    A section `.profile` begins each; what comes before the first is shared by all. ValueError as `content`.
    """
    lines: dict[str, str] = {}
    shared, profile = "", None
    for name, data in _sections(uki):
        if name == ".profile":
            profile = _id(data)
            lines[profile] = shared
        elif name == ".cmdline" and profile is not None:
            lines[profile] = _text(data)
        elif name == ".cmdline":
            shared = _text(data)
    return lines


def of_profile(uki: Path, wanted: str) -> dict[str, bytes]:
    """Return the sections of `uki` that its profile `wanted` starts with; ValueError as `content`."""
    base: dict[str, bytes] = {}
    found: dict[str, dict[str, bytes]] = {}
    current = base
    for name, data in _sections(uki):
        if name == ".profile":
            current = found[_id(data)] = dict(base)
        current[name] = data
    if wanted not in found:
        raise ValueError(f"{uki} has no profile {wanted}")
    return found[wanted]


def command_line(uki: Path) -> str:
    """Return the kernel's command line; ValueError as `section`."""
    return section(uki, ".cmdline")


def version(uki: Path) -> str:
    """Return the version of the image that `uki` starts; ValueError as `section`, or when it has none."""
    for line in section(uki, ".osrel").splitlines():
        name, _, value = line.partition("=")
        if name == "IMAGE_VERSION" and value.strip('"'):
            return value.strip('"')
    raise ValueError(f"{uki} names no version of an image")
