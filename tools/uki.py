# SPDX-License-Identifier: Apache-2.0
"""Read a unified kernel image: the kernel's command line and the system's release that are built into it."""

from __future__ import annotations

import struct
from pathlib import Path

_SECTION = struct.Struct("<8sIIII16x")
"""Of a PE section's header: name, size in memory, address in memory, size in the file, place in the file."""


def content(uki: Path, name: str) -> bytes:
    """Return what is in the section `name` of `uki`; ValueError when that is no PE file or has none.

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
            found, size, _, stored, place = _SECTION.unpack_from(data, table + number * _SECTION.size)
            if found.rstrip(b"\0") == name.encode():
                return data[place : place + min(size, stored)]
    except struct.error as error:
        raise ValueError(f"{uki} is cut short: {error}") from None
    raise ValueError(f"{uki} has no section {name}")


def section(uki: Path, name: str) -> str:
    """Return the text in the section `name` of `uki`; ValueError as `content`."""
    return content(uki, name).rstrip(b"\0\n").decode()


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
