# SPDX-License-Identifier: Apache-2.0
"""Pictures from wherever they come: a file, a folder, a camera, a stream, a screen; all through PyAV."""

import contextlib
import os
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
import numpy.typing as npt

from jepa.errors import JepaError

if TYPE_CHECKING:
    import av
    import av.container

ByteArray = npt.NDArray[np.uint8]

_PICTURES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff"})
_STREAMS = ("rtsp://", "rtsps://")
_DEVICES = ("/dev/video", "/dev/v4l/")
_PATIENCE_S = 10.0
"""How long a stream or a camera may say nothing."""
_FOLDER_FPS = 4.0
"""Pictures of a folder have no time of their own."""
_MOST_DAMAGED = 100
"""Damaged packets in a row after which the rest is given up."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One frame."""

    at_s: float
    """Since the first one."""
    content: "ByteArray | av.VideoFrame"

    @property
    def rgb(self) -> ByteArray:
        """(H, W, 3), made when it is asked for: of most frames of a camera it is not."""
        if isinstance(self.content, np.ndarray):
            return self.content
        return np.asarray(self.content.to_ndarray(format="rgb24"), np.uint8)


class Source(Protocol):
    """Yields pictures until there are no more."""

    @property
    def live(self) -> bool:
        """Whether pictures that nobody takes are lost."""

    @property
    def damaged(self) -> int:
        """Packets so far that could not be decoded."""

    def __iter__(self) -> Iterator[Picture]:
        """The pictures, in order of time; JepaError when a source breaks off."""

    def close(self) -> None:
        """Let go of the file or the device."""


def is_live(where: str) -> bool:
    """Whether ``where`` names something that has no end of its own."""
    return where.startswith((*_STREAMS, *_DEVICES)) or where == "screen"


def open_source(where: str, environment: Mapping[str, str] = os.environ) -> Source:
    """Open ``where``: a video, a picture, a folder of pictures, ``/dev/videoN``, an rtsp URL or ``screen``.

    JepaError when it is none of these or cannot be opened.
    """
    if where.startswith(_STREAMS):
        return VideoSource(where, live=True, options={"rtsp_transport": "tcp"}, timeout=_PATIENCE_S)
    if where.startswith(_DEVICES):
        return VideoSource(where, live=True, format="v4l2", timeout=_PATIENCE_S)
    if where == "screen":
        display = environment.get("DISPLAY")
        if display:
            return VideoSource(display, live=True, format="x11grab")
        return VideoSource("/dev/fb0", live=True, format="fbdev")
    path = Path(where)
    if path.is_dir():
        return FolderSource(path)
    if not path.exists():
        raise JepaError(
            f"There is no {where}.",
            "Name a video, a folder of pictures, /dev/videoN, an rtsp URL or screen.",
        )
    return VideoSource(where, live=False)


class VideoSource:
    """Whatever the FFmpeg libraries can open as a video."""

    def __init__(self, where: str, *, live: bool, **options: Any) -> None:
        import av

        self.live = live
        self.damaged = 0
        self._where = where
        self._demuxer: Generator[av.Packet[Any]] | None = None

        try:
            self._container: av.container.InputContainer = av.open(where, **options)
        except (av.FFmpegError, OSError) as error:
            raise JepaError(f"{where} cannot be opened: {_reason(error)}.", _remedy(live)) from error
        if not self._container.streams.video:
            self._container.close()
            raise JepaError(f"{where} holds no video.", "Name another source.")

    def __iter__(self) -> Iterator[Picture]:
        """The frames; damaged ones are counted and left out."""
        import av

        first: float | None = None
        count = 0
        for packet in self._packets():
            try:
                frames = packet.decode()
            except av.FFmpegError:
                self.damaged += 1
                continue
            for frame in frames:
                assert isinstance(frame, av.VideoFrame), "only the video is demuxed"
                now = float(frame.time) if frame.time is not None else count / _FOLDER_FPS
                first = now if first is None else first
                count += 1
                yield Picture(now - first, frame)
        if not count:
            raise JepaError(f"There is no whole frame in {self._where}.", _remedy(self.live))

    def _packets(self) -> Iterator["av.Packet[Any]"]:
        import av

        packets = self._container.demux(self._container.streams.video[0])
        demuxer = self._demuxer = cast("Generator[av.Packet[Any]]", packets)
        broken = 0
        while True:
            try:
                packet = _copied(next(demuxer)) if self.live else next(demuxer)
            except StopIteration:
                return
            except (av.FFmpegError, OSError) as error:
                # A truncated file ends here; a camera that was unplugged, too.
                if self.live:
                    raise JepaError(f"{self._where} is gone: {_reason(error)}.", _remedy(True)) from error
                self.damaged += 1
                broken += 1
                if broken >= _MOST_DAMAGED:
                    return
                continue
            broken = 0
            yield packet

    def close(self) -> None:
        """Let go of it."""
        if self._demuxer is not None:
            self._demuxer.close()  # it still holds its last packet (see _copied)
        with contextlib.suppress(Exception):
            self._container.close()


def _copied(packet: "av.Packet[Any]") -> "av.Packet[Any]":
    """A packet in memory of its own.

    A camera's lies in a buffer of the driver, which the library gives back, when the last reference to the
    packet or to a frame of it goes, through what it frees when the camera is closed: a crash, if that comes
    first.
    """
    import av

    if not packet.size:
        return packet
    own: av.Packet[Any] = av.Packet(bytes(packet))
    own.stream = packet.stream
    own.pts, own.dts, own.time_base = packet.pts, packet.dts, packet.time_base
    return own


class FolderSource:
    """The pictures of a folder by name, four a second."""

    live = False

    def __init__(self, folder: Path, opened: Callable[[str], Source] = open_source) -> None:
        self.damaged = 0
        self._opened = opened
        self._folder = folder
        self._files = sorted(path for path in folder.iterdir() if path.suffix.lower() in _PICTURES)
        if not self._files:
            raise JepaError(f"There are no pictures in {folder}.", "Name a folder of PNG or JPEG files.")

    def __iter__(self) -> Iterator[Picture]:
        """One picture a file; those that are none are counted and left out."""
        count = 0
        for file in self._files:
            try:
                source = self._opened(str(file))
                with contextlib.closing(source):
                    picture = next(iter(source))
            except JepaError:
                self.damaged += 1
                continue
            yield Picture(count / _FOLDER_FPS, picture.content)
            count += 1
        if not count:
            raise JepaError(f"No picture in {self._folder} can be read.", "Name another folder.")

    def close(self) -> None:
        """Nothing is held open."""


def _reason(error: Exception) -> str:
    said = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(said).rstrip(".")


def _remedy(live: bool) -> str:
    return "Is it plugged in, and may you read it?" if live else "Name another file."
