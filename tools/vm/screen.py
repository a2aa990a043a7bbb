# SPDX-License-Identifier: Apache-2.0
"""The guest's screen and keyboard: pictures as QEMU dumps them, text as the keys that write it."""

from dataclasses import dataclass
from pathlib import Path

_PLAIN = {
    " ": "spc", "\n": "ret", "\t": "tab", "-": "minus", "=": "equal", "[": "bracket_left",
    "]": "bracket_right",
    ";": "semicolon", "'": "apostrophe", "`": "grave_accent", "\\": "backslash", ",": "comma", ".": "dot",
    "/": "slash",
}  # fmt: skip
_SHIFTED = dict(zip('~!@#$%^&*()_+{}|:"<>?', "`1234567890-=[]\\;',./", strict=True))


def keys(character: str) -> list[str]:
    """The QEMU key codes, pressed together, that write ``character`` on a US keyboard.

    Raises KeyError for a character that this keyboard lacks.
    """
    if character in _SHIFTED:
        return ["shift", *keys(_SHIFTED[character])]
    if character.isascii() and character.isalnum():
        return ["shift", character.lower()] if character.isupper() else [character]
    return [_PLAIN[character]]


@dataclass(frozen=True, slots=True)
class Screenshot:
    """One picture of the guest's screen."""

    path: Path
    """The picture as PNG."""
    width: int
    height: int
    colours: int
    """How many distinct colours it holds; a blank screen has one."""
    lit: float
    """Share of the pixels, 0..1, that differ from the most common colour."""


def measure(ppm: bytes, path: Path) -> Screenshot:
    """Count what a binary PPM (P6, 8 bits a sample) shows; raises ValueError for another format."""
    magic, width, height, depth, pixels = ppm.split(maxsplit=4) if ppm[:2] == b"P6" else (b"",) * 5
    if magic != b"P6" or depth != b"255":
        raise ValueError("QEMU gave something other than an 8-bit binary PPM")
    size = int(width) * int(height)
    pixels = ppm[-3 * size :]
    counts: dict[bytes, int] = {}
    for start in range(0, 3 * size, 3):
        pixel = pixels[start : start + 3]
        counts[pixel] = counts.get(pixel, 0) + 1
    return Screenshot(path, int(width), int(height), len(counts), 1 - max(counts.values()) / size)
