# SPDX-License-Identifier: Apache-2.0
"""Turns pictures upright that say how they are to be shown: by a display matrix, or by EXIF orientation.

FFmpeg's decoders make a display matrix of either.
"""

import struct
from fractions import Fraction
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import av
    from av.sidedata.sidedata import SideData

ByteArray = npt.NDArray[np.uint8]
Orientation = tuple[tuple[int, int], tuple[int, int]]
"""((a, b), (c, d)): a pixel at column x, row y is shown at column ax + cy, row bx + dy."""

UPRIGHT: Orientation = ((1, 0), (0, 1))
_NEWEST_SIDE_DATA = 64
"""No kind of side data has a higher number than that."""


def orientation(frame: "av.VideoFrame") -> Orientation:
    """How ``frame`` is to be shown; turns that are no quarter count as the nearest."""
    try:
        said = frame.side_data
    except ValueError:  # PyAV has no name for some kind of it, such as EXIF
        said = _without_unnamed(frame).side_data
    matrix = cast("SideData | None", said.get("DISPLAYMATRIX"))
    if matrix is None:
        return UPRIGHT
    a, b, _, c, d, *_ = struct.unpack("=9i", bytes(matrix))
    if abs(b) > abs(a):
        return (0, _sign(b)), (_sign(c), 0)
    return (_sign(a), 0), (0, _sign(d))


def upright(picture: ByteArray, shown: Orientation) -> ByteArray:
    """(H, W, 3), or (W, H, 3) when turned by a quarter, in memory of its own order."""
    (a, b), (c, d) = shown
    if b:
        picture = picture.swapaxes(0, 1)
    across, down = (c, b) if b else (a, d)
    return np.ascontiguousarray(picture[:: down or 1, :: across or 1])


def _sign(number: int) -> int:
    return -1 if number < 0 else 1


def _without_unnamed(frame: "av.VideoFrame") -> "av.VideoFrame":
    """The same frame with only such side data as PyAV has names for."""
    from av.filter import Graph
    from av.sidedata.sidedata import Type

    named = {int(cast(Any, each.value)) for each in Type}
    graph = Graph()
    last = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base or Fraction(1)
    )
    for number in range(_NEWEST_SIDE_DATA):
        if number not in named:
            deleted = graph.add("sidedata", f"mode=delete:type={number}")
            last.link_to(deleted)
            last = deleted
    last.link_to(graph.add("buffersink"))
    graph.configure()
    graph.push(frame)
    cleaned = graph.pull()
    assert isinstance(cleaned, type(frame)), "what goes in comes out"
    return cleaned
