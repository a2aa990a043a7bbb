# SPDX-License-Identifier: Apache-2.0
"""Draw the screens of a terminal: text in DejaVu Sans Mono; lines, blocks and braille as what they are.

That font has no braille, and its lines and blocks leave gaps between rows.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

import matplotlib
from PIL import Image, ImageDraw, ImageFont
from pyte.screens import Char

from tools.film.frames import Frame

WIDTH, HEIGHT = 8, 16
"""Of a cell, in pixels."""
SIZE: Final = 13
"""Of the font: its characters are then as wide as a cell."""
MARGIN: Final = 8
CAPTION: Final = 24
PAPER, INK = "#0f141a", "#d8dee9"
"""Where a program asks for the terminal's own colours."""
NAMED: Final = {
    "black": "#1c2128", "red": "#e06c75", "green": "#98c379", "brown": "#d19a66", "blue": "#61afef",
    "magenta": "#c678dd", "cyan": "#56b6c2", "white": "#abb2bf",
    "brightblack": "#5c6370", "brightred": "#ff7b86", "brightgreen": "#b5e890", "brightbrown": "#e5c07b",
    "brightblue": "#7cc4ff", "bfightmagenta": "#de9cf0", "brightmagenta": "#de9cf0",
    "brightcyan": "#7fdbe8", "brightwhite": "#ffffff",
}  # fmt: skip
"""The sixteen, by pyte's names (of which one is misspelt in 0.8.2)."""
BRAILLE: Final = ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3))
"""Column and row of the dot that each bit of a character from U+2800 on sets."""
Box = tuple[float, float, float, float]
"""Left, top, right and bottom, in shares of a cell."""
_EIGHTHS_UP: Final = {chr(0x2580 + n): (0.0, 1 - n / 8, 1.0, 1.0) for n in range(1, 9)}
_EIGHTHS_LEFT: Final = {chr(0x2590 - n): (0.0, 0.0, n / 8, 1.0) for n in range(1, 8)}
BLOCKS: Final[dict[str, Box]] = {
    **_EIGHTHS_UP,
    **_EIGHTHS_LEFT,
    "▀": (0.0, 0.0, 1.0, 0.5),
    "▐": (0.5, 0.0, 1.0, 1.0),
    "▔": (0.0, 0.0, 1.0, 0.125),
    "▕": (0.875, 0.0, 1.0, 1.0),
}
SHADES: Final = {"░": 0.25, "▒": 0.5, "▓": 0.75}
THIN, THICK = 1, 2
ARMS: Final = {
    "─": "lr", "│": "ud", "┌": "rd", "┐": "ld", "└": "ur", "┘": "ul", "├": "udr", "┤": "udl", "┬": "lrd",
    "┴": "lru", "┼": "lrud", "━": "LR", "┃": "UD",
}  # fmt: skip
"""Where lines go from the middle of a cell; capitals are thick."""


def size(columns: int, rows: int) -> tuple[int, int]:
    """Of a picture of such a screen, in pixels."""
    return columns * WIDTH + 2 * MARGIN, rows * HEIGHT + 2 * MARGIN + CAPTION


def picture(frame: Frame, caption: str) -> Image.Image:
    """``frame`` over its ``caption``, in RGB."""
    image = Image.new("RGB", size(len(frame.screen[0]), len(frame.screen)), PAPER)
    draw = ImageDraw.Draw(image)
    for row, cells in enumerate(frame.screen):
        for column, cell in enumerate(cells):
            _draw(draw, MARGIN + column * WIDTH, MARGIN + row * HEIGHT, cell)
    top = image.height - CAPTION
    draw.rectangle((0, top, image.width, image.height), fill="#05080c")
    draw.text((MARGIN, top + CAPTION / 2), caption, "#8b949e", _font(bold=False), anchor="lm")
    return image


def colours(cell: Char) -> tuple[str, str]:
    """Of its ink and of its paper, as #rrggbb."""
    ink, paper = _colour(cell.fg, INK), _colour(cell.bg, PAPER)
    return (paper, ink) if cell.reverse else (ink, paper)


def _colour(name: str, default: str) -> str:
    return default if name == "default" else NAMED.get(name) or f"#{name}"


def _draw(draw: ImageDraw.ImageDraw, x: int, y: int, cell: Char) -> None:
    ink, paper = colours(cell)
    if paper != PAPER:
        draw.rectangle((x, y, x + WIDTH - 1, y + HEIGHT - 1), fill=paper)
    character = cell.data
    if not character.strip():
        pass
    elif "\u2800" <= character <= "\u28ff":
        _braille(draw, x, y, ord(character) - 0x2800, ink)
    elif character in BLOCKS:
        left, top, right, bottom = BLOCKS[character]
        end = (x + round(right * WIDTH) - 1, y + round(bottom * HEIGHT) - 1)
        draw.rectangle((x + round(left * WIDTH), y + round(top * HEIGHT), *end), fill=ink)
    elif character in SHADES:
        draw.rectangle((x, y, x + WIDTH - 1, y + HEIGHT - 1), fill=_mixed(ink, paper, SHADES[character]))
    elif character in ARMS:
        _lines(draw, x, y, ARMS[character], ink)
    else:
        # From the base line, so that all characters of a row stand on one.
        draw.text((x, y + 12), character, ink, _font(bold=bool(cell.bold)), anchor="ls")
    if cell.underscore:
        draw.line((x, y + 14, x + WIDTH - 1, y + 14), fill=ink)


def _braille(draw: ImageDraw.ImageDraw, x: int, y: int, bits: int, ink: str) -> None:
    for bit, (column, row) in enumerate(BRAILLE):
        if bits >> bit & 1:
            left, top = x + 1 + column * 4, y + 1 + row * 4
            draw.rectangle((left, top, left + 1, top + 1), fill=ink)


def _lines(draw: ImageDraw.ImageDraw, x: int, y: int, arms: str, ink: str) -> None:
    middle_x, middle_y = x + WIDTH // 2, y + HEIGHT // 2
    for arm in arms:
        more = (THICK if arm.isupper() else THIN) - 1
        ends = {
            "l": (x, middle_y, middle_x, middle_y + more),
            "r": (middle_x, middle_y, x + WIDTH - 1, middle_y + more),
            "u": (middle_x, y, middle_x + more, middle_y),
            "d": (middle_x, middle_y, middle_x + more, y + HEIGHT - 1),
        }
        draw.rectangle(ends[arm.lower()], fill=ink)


def _mixed(ink: str, paper: str, share: float) -> str:
    pairs = zip(_channels(ink), _channels(paper), strict=True)
    return "#" + "".join(f"{round(share * a + (1 - share) * b):02x}" for a, b in pairs)


def _channels(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour.removeprefix("#")))


@cache
def _font(*, bold: bool) -> ImageFont.FreeTypeFont:
    name = "DejaVuSansMono-Bold.ttf" if bold else "DejaVuSansMono.ttf"
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts/ttf" / name, SIZE)
