# SPDX-License-Identifier: Apache-2.0
"""How a HEIF or AVIF file puts its picture together: of tiles, with which alpha, cropped and turned how.

By ISO 23008-12 and, for the boxes, ISO 14496-12. FFmpeg's libraries give the coded items as streams, each
with the number of the item, and leave the rest to whoever asks.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

from jepa.vision.orientation import Orientation

_MOST_BYTES = 16 << 20
"""The description of a picture of 65,535 tiles is no larger."""
_CODED = frozenset({b"hvc1", b"av01", b"avc1", b"vvc1", b"jpeg", b"j2k1"})
_ALPHA = (b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0", b"urn:mpeg:hevc:2015:auxid:1\0")
_QUARTER: Orientation = ((0, -1), (1, 0))
"""Against the clock."""
_MIRRORS: tuple[Orientation, Orientation] = (((1, 0), (0, -1)), ((-1, 0), (0, 1)))


@dataclass(frozen=True, slots=True)
class Aperture:
    """The part that is to be shown, in pixels; its centre lies ``right`` and ``down`` of the picture's."""

    width: Fraction
    height: Fraction
    right: Fraction
    down: Fraction


@dataclass(frozen=True, slots=True)
class Still:
    """One picture."""

    kind: str
    """``grid`` or the name of a codec, as in the file; others are not understood and have no tiles."""
    tiles: tuple[int, ...]
    """Numbers of the coded items, row by row."""
    columns: int = 1
    size: tuple[int, int] | None = None
    """Width and height that count of all the tiles together; None: all of it."""
    steps: tuple[Aperture | Orientation, ...] = ()
    """What is to be done then, in this order."""
    alpha: "Still | None" = None


@dataclass(slots=True)
class _Item:
    kind: bytes = b""
    content: bytes = b""
    """Of an item that is no coded picture and lies among the description."""
    parts: tuple[int, ...] = ()
    auxiliary_of: tuple[int, ...] = ()
    properties: list[tuple[bytes, bytes]] = field(default_factory=list)


def still(path: Path) -> Still | None:
    """The primary picture of that file; None when it is no HEIF or AVIF, holds a video, or is damaged."""
    try:
        with path.open("rb") as file:
            return _still(file)
    except (OSError, struct.error, IndexError, KeyError, ValueError, ZeroDivisionError):
        return None


def _still(file: BinaryIO) -> Still | None:
    description = b""
    place, end = 0, file.seek(0, 2)
    while place + 8 <= end:
        file.seek(place)
        head = file.read(16)
        size, kind = struct.unpack_from(">I4s", head)
        skip = 8
        if size == 1:
            (size,), skip = struct.unpack_from(">Q", head, 8), 16
        if (not place and kind != b"ftyp") or kind == b"moov":
            return None
        size = size or end - place
        if size < skip:
            return None
        if kind == b"meta" and size <= _MOST_BYTES and not description:
            file.seek(place + skip)
            description = file.read(size - skip)
        place += size
    boxes = dict(_boxes(description[4:]))
    if boxes.get(b"hdlr", b"")[8:12] != b"pict":
        return None
    items = _items(boxes, file)
    primary = _number(boxes[b"pitm"], 4, 4 if boxes[b"pitm"][0] else 2)
    alpha = next(
        (
            number
            for number, item in items.items()
            if primary in item.auxiliary_of
            and any(kind == b"auxC" and said[4:].startswith(_ALPHA) for kind, said in item.properties)
        ),
        None,
    )
    return _assembled(items, primary, None if alpha is None else _assembled(items, alpha, None))


def _assembled(items: dict[int, _Item], number: int, alpha: Still | None) -> Still:
    item = items[number]
    kind = item.kind.decode("latin-1")
    steps = tuple(step for kind, said in item.properties if (step := _step(kind, said)) is not None)
    if item.kind in _CODED:
        return Still(kind, (number,), steps=steps, alpha=alpha)
    if item.kind != b"grid":
        return Still(kind, ())
    _, large, rows, columns = struct.unpack_from("4B", item.content)
    width, height = struct.unpack_from(">2I" if large & 1 else ">2H", item.content, 4)
    if len(item.parts) != (rows + 1) * (columns + 1) or not width * height:
        raise ValueError("a grid without all of its tiles")
    return Still(kind, item.parts, columns + 1, (width, height), steps, alpha)


def _step(kind: bytes, said: bytes) -> Aperture | Orientation | None:
    if kind == b"clap":
        width, wide, height, high, right, rights, down, downs = struct.unpack_from(">4I i I i I", said)
        return Aperture(
            Fraction(width, wide), Fraction(height, high), Fraction(right, rights), Fraction(down, downs)
        )
    if kind == b"imir":
        return _MIRRORS[said[0] & 1]
    if kind == b"irot":
        turned: Orientation = ((1, 0), (0, 1))
        for _ in range(said[0] & 3):
            turned = _after(turned, _QUARTER)
        return turned
    return None


def _after(first: Orientation, then: Orientation) -> Orientation:
    """Both, one after the other, as one."""
    ((a, b), (c, d)), ((e, f), (g, h)) = first, then
    return (a * e + b * g, a * f + b * h), (c * e + d * g, c * f + d * h)


def _items(boxes: dict[bytes, bytes], file: BinaryIO) -> dict[int, _Item]:
    items: dict[int, _Item] = {}
    entries = boxes[b"iinf"]
    for kind, said in _boxes(entries[6 if entries[0] == 0 else 8 :]):
        if kind == b"infe" and said[0] >= 2:
            size = 2 if said[0] == 2 else 4
            items[_number(said, 4, size)] = _Item(said[6 + size : 10 + size])
    references = boxes.get(b"iref", b"\0" * 4)
    size = 4 if references[0] else 2
    for kind, said in _boxes(references[4:]):
        count = _number(said, size, 2)
        targets = tuple(_number(said, size + 2 + size * n, size) for n in range(count))
        source = items.get(_number(said, 0, size))
        if source is not None and kind == b"dimg":
            source.parts = targets
        elif source is not None and kind == b"auxl":
            source.auxiliary_of = targets
    _add_properties(items, dict(_boxes(boxes[b"iprp"])))
    _add_contents(items, boxes, file)
    return items


def _add_properties(items: dict[int, _Item], boxes: dict[bytes, bytes]) -> None:
    properties = list(_boxes(boxes[b"ipco"]))
    said = boxes[b"ipma"]
    size, wide = (2 if said[0] == 0 else 4), said[3] & 1
    place = 8
    for _ in range(_number(said, 4, 4)):
        item, count = items.get(_number(said, place, size)), said[place + size]
        place += size + 1
        for _ in range(count):
            which = _number(said, place, 2) & 0x7FFF if wide else said[place] & 0x7F
            place += 2 if wide else 1
            if which and item is not None:
                item.properties.append(properties[which - 1])


def _add_contents(items: dict[int, _Item], boxes: dict[bytes, bytes], file: BinaryIO) -> None:
    """What the grids say, which is a few bytes in the description or elsewhere in the file."""
    said = boxes[b"iloc"]
    version, sizes = said[0], _number(said, 4, 2)
    offsets, lengths, bases, indices = (sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15, sizes & 15)
    number_size = 2 if version < 2 else 4
    count, place = _number(said, 6, number_size), 6 + number_size
    for _ in range(count):
        item = items.get(_number(said, place, number_size))
        place += number_size
        inside = version > 0 and _number(said, place, 2) & 15 == 1
        place += 4 if version else 2
        base = _number(said, place, bases)
        place += bases
        extents = _number(said, place, 2)
        place += 2
        for _ in range(extents):
            place += indices if version else 0
            start, size = base + _number(said, place, offsets), _number(said, place + offsets, lengths)
            place += offsets + lengths
            if item is not None and item.kind == b"grid" and size <= 12:
                if inside:
                    item.content += boxes[b"idat"][start : start + size]
                else:
                    file.seek(start)
                    item.content += file.read(size)


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The boxes in ``content``, each with what is in it."""
    place = 0
    while place + 8 <= len(content):
        size, kind = struct.unpack_from(">I4s", content, place)
        if not 8 <= size <= len(content) - place:
            raise ValueError("a box that ends outside of the one it is in")
        yield kind, content[place + 8 : place + size]
        place += size


def _number(content: bytes, place: int, size: int) -> int:
    if place + size > len(content):
        raise ValueError("it ends too early")
    return int.from_bytes(content[place : place + size], "big")
