# SPDX-License-Identifier: Apache-2.0
"""Pictures from wherever they come: a file, a folder, a camera, a stream, a screen; all through PyAV."""

import contextlib
import errno
import os
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
import numpy.typing as npt

from jepa.errors import JepaError
from jepa.vision.address import is_stream, shown

if TYPE_CHECKING:
    import av
    import av.container

ByteArray = npt.NDArray[np.uint8]

_PICTURES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff"})
_DEVICES = ("/dev/video", "/dev/v4l/")
_PATIENCE_S = 10.0
"""How long a stream or a camera may say nothing."""
_RTSP = {"rtsp_transport": "tcp", "allowed_media_types": "video"}
"""In its own connection, so that nothing must be let in from the network and none is lost; and no sound."""
_FOLDER_FPS = 4.0
"""Pictures of a folder have no time of their own."""
_MOST_DAMAGED = 100
"""Damaged packets in a row after which the rest is given up."""
_REFUSED = frozenset({errno.EAFNOSUPPORT, errno.EPERM, errno.EACCES})
"""What a process hears that is kept from the network; the first where it may not even have a socket."""


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
    return is_stream(where) or where.startswith(_DEVICES) or where == "screen"


def open_source(where: str, environment: Mapping[str, str] = os.environ) -> Source:
    """Open ``where``: a video, a picture, a folder of pictures, ``/dev/videoN``, an rtsp URL or ``screen``.

    JepaError when it is none of these or cannot be opened.
    """
    if is_stream(where):
        return VideoSource(where, live=True, patience_s=_PATIENCE_S, options=_RTSP)
    if where.startswith(_DEVICES):
        return VideoSource(where, live=True, patience_s=_PATIENCE_S, format="v4l2")
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
            f"There is no {shown(where)}.",
            "Name a video, a folder of pictures, /dev/videoN, an rtsp URL or screen.",
        )
    return VideoSource(where, live=False)


class VideoSource:
    """Whatever the FFmpeg libraries can open as a video."""

    def __init__(self, where: str, *, live: bool, patience_s: float | None = None, **options: Any) -> None:
        """Open ``where``, then and later waiting so long for it to say something; JepaError if it cannot."""
        import av

        self.live = live
        self.damaged = 0
        self._where, self._patience_s = where, patience_s
        self._demuxer: Generator[av.Packet[Any]] | None = None

        began = time.monotonic()
        try:
            self._container: av.container.InputContainer = av.open(where, timeout=patience_s, **options)
        except (av.FFmpegError, OSError) as error:
            raise self._failure("cannot be opened", error, began) from None  # it names the password
        if not self._container.streams.video:
            self._container.close()
            raise JepaError(f"{shown(where)} holds no video.", "Name another source.")

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
            raise JepaError(f"There is no whole frame in {shown(self._where)}.", self._remedy())

    def _packets(self) -> Iterator["av.Packet[Any]"]:
        import av

        packets = self._container.demux(self._container.streams.video[0])
        demuxer = self._demuxer = cast("Generator[av.Packet[Any]]", packets)
        broken = 0
        while True:
            began = time.monotonic()
            try:
                packet = _copied(next(demuxer)) if self.live else next(demuxer)
            except StopIteration:
                return
            except (av.FFmpegError, OSError) as error:
                # A truncated file ends here; a camera that was unplugged, too.
                if self.live:
                    raise self._failure("is gone", error, began) from None
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

    def _failure(self, what: str, error: Exception, began: float) -> JepaError:
        """Of a call that ``began`` then; the library has several words for one that it ended for silence."""
        number, name = getattr(error, "errno", None), shown(self._where)
        if self._patience_s is not None and time.monotonic() - began >= self._patience_s:
            return JepaError(f"{name} {what}: it said nothing for {self._patience_s:g} s.", self._remedy())
        if is_stream(self._where) and number in _REFUSED:
            return JepaError(
                f"{name} {what}: this process may not use the network; allow jepa-vision the camera's "
                "address with systemctl edit jepa-vision.",
                "The how-to on watching a camera has the lines.",
            )
        reason = getattr(error, "strerror", None) or type(error).__name__
        return JepaError(f"{name} {what}: {str(reason).rstrip('.')}.", self._remedy())

    def _remedy(self) -> str:
        if is_stream(self._where):
            return "Is it on, are its address, name and password right, and may you reach it?"
        return "Is it plugged in, and may you read it?" if self.live else "Name another file."


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
