# SPDX-License-Identifier: Apache-2.0
"""Write frames as an animated picture, in the format that the name of the file asks for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from PIL import Image

from tools.film.draw import picture
from tools.film.frames import Frame

FORMATS: Final = (".gif", ".png", ".webp")
COLOURS: Final = 128
"""Of all frames together: a terminal has few, and what lies between them smooths the letters."""


def caption(frame: Frame, where: str) -> str:
    """What stands under ``frame``: where it was recorded, how long after the beginning, and how fast."""
    minutes, seconds = divmod(int(frame.at), 60)
    pace = f"  ·  wait shortened, {frame.speed:.0f} times as fast" if frame.speed >= 1.5 else ""
    return f"{where}  ·  {minutes}:{seconds:02d}{pace}"


def write(frames: Sequence[Frame], where: str, path: Path) -> None:
    """Write the film to ``path``; ValueError where its name asks for no format that is known."""
    if path.suffix not in FORMATS:
        raise ValueError(f"{path}: the name has to end in one of {', '.join(FORMATS)}")
    drawn = [picture(frame, caption(frame, where)) for frame in frames]
    lasts = [round(frame.lasts * 1000) for frame in frames]
    if path.suffix == ".webp":
        first, *rest = drawn
        first.save(
            path,
            save_all=True,
            append_images=rest,
            duration=lasts,
            loop=0,
            lossless=True,
            minimize_size=True,
        )
        return
    first, *rest = _few_colours(drawn)
    # Each frame only has what differs from the one before.
    first.save(path, save_all=True, append_images=rest, duration=lasts, loop=0, disposal=1, optimize=True)


def _few_colours(drawn: Sequence[Image.Image]) -> list[Image.Image]:
    """The same with one palette, so that what stays the same has the same pixels."""
    width, height = drawn[0].size
    some = drawn[:: max(len(drawn) // 8, 1)]
    sheet = Image.new("RGB", (width, height * len(some)))
    for place, image in enumerate(some):
        sheet.paste(image, (0, place * height))
    palette = sheet.quantize(COLOURS, dither=Image.Dither.NONE)
    return [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in drawn]
