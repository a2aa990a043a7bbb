# SPDX-License-Identifier: Apache-2.0
"""The picture of a HEIF or AVIF file, put together from its tiles."""

import contextlib
from collections.abc import Callable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from jepa.errors import JepaError
from jepa.vision.address import shown
from jepa.vision.heif import Aperture, Still
from jepa.vision.orientation import upright
from jepa.vision.picture import ByteArray, Picture, grey, on_white

if TYPE_CHECKING:
    import av
    import av.container


class StillSource:
    """Gives the one picture of a file as ``still`` describes it."""

    live = False
    damaged = 0
    jumps = 0

    def __init__(self, where: str, url: str, still: Still) -> None:
        """Open ``where``, for FFmpeg ``url``; JepaError if it cannot be opened."""
        import av

        if not still.tiles:
            raise JepaError(f"{shown(where)} is a picture of the kind {still.kind!r}.", "Convert it to PNG.")
        self._where, self._still = where, still
        try:
            self._container: av.container.InputContainer = av.open(url)
        except (av.FFmpegError, OSError) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise JepaError(f"{shown(where)} cannot be opened: {reason}.", "Name another file.") from None

    def __iter__(self) -> Iterator[Picture]:
        """The picture. JepaError when not all of it can be decoded."""
        alpha = self._still.alpha
        stills = [self._still] if alpha is None else [self._still, alpha]
        frames = self._decoded(set(chain.from_iterable(each.tiles for each in stills)))
        try:
            picture = _joined(self._still, lambda number: Picture(0.0, frames[number]).rgb)
            if alpha is not None:
                mask = _joined(alpha, lambda number: grey(frames[number]))
                picture = on_white(np.dstack([picture, _fitted(mask, picture.shape)]))
        except KeyError:
            raise JepaError(
                f"There is no whole frame in {shown(self._where)}.", "Name another file."
            ) from None
        for step in self._still.steps:
            picture = _cropped(picture, step) if isinstance(step, Aperture) else upright(picture, step)
        yield Picture(0.0, picture)

    def close(self) -> None:
        """Let go of the file."""
        with contextlib.suppress(Exception):
            self._container.close()

    def _decoded(self, items: set[int]) -> "dict[int, av.VideoFrame]":
        """The frames of those items, by their numbers; without those that are damaged."""
        import av

        streams = [each for each in self._container.streams.video if each.id in items]
        # Tiles share their settings, and so a decoder: one each would be threads and memory for each.
        decoders: dict[tuple[str, bytes | None], Any] = {}
        frames = {}
        try:
            for packet in self._container.demux(streams):
                context = packet.stream.codec_context
                decoder = decoders.setdefault((context.name, context.extradata), context)
                if packet.size:
                    packet.pts = packet.dts = packet.stream.id
                    with contextlib.suppress(av.FFmpegError):
                        frames.update({each.pts: each for each in decoder.decode(packet)})
            for decoder in decoders.values():
                with contextlib.suppress(av.FFmpegError):
                    frames.update({each.pts: each for each in decoder.decode(None)})
        except (av.FFmpegError, OSError):
            self.damaged += 1
        return frames


def _joined(still: Still, tile: Callable[[int], ByteArray]) -> ByteArray:
    """Raises KeyError when a tile is missing or of another size than the first."""
    first = tile(still.tiles[0])
    rows, (height, width) = len(still.tiles) // still.columns, first.shape[:2]
    joined = np.empty((rows * height, still.columns * width, *first.shape[2:]), np.uint8)
    for place, number in enumerate(still.tiles):
        top, left = place // still.columns * height, place % still.columns * width
        content = tile(number)
        if content.shape != first.shape:
            raise KeyError(number)
        joined[top : top + height, left : left + width] = content
    shown_width, shown_height = still.size or (joined.shape[1], joined.shape[0])
    return joined[:shown_height, :shown_width]


def _fitted(mask: ByteArray, shape: tuple[int, ...]) -> ByteArray:
    """``mask`` in the size of a picture of that ``shape``."""
    rows = np.arange(shape[0]) * mask.shape[0] // shape[0]
    columns = np.arange(shape[1]) * mask.shape[1] // shape[1]
    return np.asarray(mask[rows][:, columns], np.uint8)


def _cropped(picture: ByteArray, part: Aperture) -> ByteArray:
    height, width = picture.shape[:2]
    left = max(0, round((width - part.width) / 2 + part.right))
    top = max(0, round((height - part.height) / 2 + part.down))
    return picture[top : top + max(1, round(part.height)), left : left + max(1, round(part.width))]
