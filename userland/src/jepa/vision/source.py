# SPDX-License-Identifier: Apache-2.0
"""Pictures from wherever they come: a file, a folder, a camera, a stream, a screen; all through PyAV."""

import contextlib
import errno
import os
import re
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from jepa.errors import JepaError
from jepa.vision.address import is_stream, shown
from jepa.vision.heif import still
from jepa.vision.orientation import UPRIGHT, orientation
from jepa.vision.picture import Picture, is_hidden
from jepa.vision.still import StillSource
from jepa.vision.timeline import Timeline

if TYPE_CHECKING:
    import av
    import av.container

_PICTURES = frozenset(
    {".avif", ".bmp", ".gif", ".heic", ".heif", ".hif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
)
_DEVICES = ("/dev/video", "/dev/v4l/")
_PATIENCE_S = 10.0
"""How long a stream or a camera may say nothing."""
_RTSP = {"rtsp_transport": "tcp", "allowed_media_types": "video"}
"""In its own connection, so that nothing must be let in from the network and none is lost; and no sound."""
_USUAL_FPS = 25.0
"""Where a file says nothing, as in FFmpeg."""
_MOST_ASPECT = 4.0
"""A pixel that is longer than so many of its widths, or wider, is an error of the file's."""
_FOLDER_FPS = 4.0
"""Pictures of a folder have no time of their own."""
_MOST_DAMAGED = 100
"""Damaged packets in a row after which the rest is given up."""
_REFUSED = frozenset({errno.EAFNOSUPPORT, errno.EPERM, errno.EACCES})
"""What a process hears that is kept from the network; the first where it may not even have a socket."""


class PictureSource(Protocol):
    """Yields pictures until there are no more."""

    @property
    def live(self) -> bool:
        """Whether pictures that nobody takes are lost."""

    @property
    def damaged(self) -> int:
        """Packets so far that could not be decoded."""

    @property
    def jumps(self) -> int:
        """Times so far that a new time line began, since the time stamps jumped."""

    def __iter__(self) -> Iterator[Picture]:
        """The pictures, in order of time; JepaError when a source breaks off."""

    def close(self) -> None:
        """Let go of the file or the device."""


def is_live(where: str) -> bool:
    """Whether ``where`` names something that has no end of its own."""
    return is_stream(where) or where.startswith(_DEVICES) or where == "screen"


def open_source(where: str, environment: Mapping[str, str] = os.environ) -> PictureSource:
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
    url = f"file:{path}"  # by its protocol, since names may look like an address
    if path.is_file() and (described := still(path)) is not None:
        return StillSource(where, url, described)
    # As one file, since names may look like a numbered series.
    return VideoSource(where, url, live=False, options={"pattern_type": "none"})


class VideoSource:
    """Whatever the FFmpeg libraries can open as a video."""

    def __init__(
        self,
        where: str,
        url: str | None = None,
        *,
        live: bool,
        patience_s: float | None = None,
        **options: Any,
    ) -> None:
        """Open ``where``, for FFmpeg ``url`` if that is another name; JepaError if it cannot be opened.

        Then and later it is waited for no longer than ``patience_s``.
        """
        import av

        self.live = live
        self.damaged = 0
        self._where, self._patience_s = where, patience_s
        self._demuxer: Generator[av.Packet[Any]] | None = None

        began = time.monotonic()
        try:
            self._container: av.container.InputContainer = av.open(
                url or where, timeout=patience_s, **options
            )
        except (av.FFmpegError, OSError) as error:
            raise self._failure("cannot be opened", error, began) from None  # it names the password
        chosen = _video_of(self._container)
        if chosen is None:
            self._container.close()
            raise JepaError(f"{shown(where)} holds no video.", "Name another source.")
        if chosen.codec_context.name == "mjpeg" and not live:
            # Of a JPEG that is cut off the decoder invents the rest by default.
            chosen.codec_context.options = {"err_detect": "explode"}
        self._stream = chosen
        self._decoder = _decoder_with_alpha(chosen)
        # In an AVI the fourth byte of a pixel means alpha or nothing; where it is 0 throughout, nothing.
        self._doubtful_alpha = self._container.format.name == "avi"
        self._opaque = live
        rate = chosen.average_rate or chosen.guessed_rate
        self._timeline = Timeline(1 / float(rate) if rate else 1 / _USUAL_FPS)
        aspect = float(chosen.sample_aspect_ratio or 1)
        self._pixel_aspect = aspect if 1 / _MOST_ASPECT <= aspect <= _MOST_ASPECT else 1.0

    @property
    def jumps(self) -> int:
        """Times so far that a new time line began, since the time stamps jumped."""
        return self._timeline.jumps

    def __iter__(self) -> Iterator[Picture]:
        """The frames; damaged ones are counted and left out."""
        import av

        count = 0
        size, turned, shown_as = (0, 0), 0, UPRIGHT
        for packet in self._packets():
            try:
                frames = self._decoder.decode(packet) if self._decoder is not None else packet.decode()
            except av.FFmpegError:
                self.damaged += 1
                continue
            for frame in frames:
                assert isinstance(frame, av.VideoFrame), "only the video is demuxed"
                if self._doubtful_alpha:
                    self._doubtful_alpha, self._opaque = False, is_hidden(frame)
                count += 1
                at_s = self._timeline.place(frame.time)
                # What a key frame says, or does not say, of its orientation holds until the next one.
                anew = frame.key_frame and frame.rotation != turned
                if anew or size != (frame.width, frame.height):
                    # Not of every frame: one whose side data was read is in a circle of references with it,
                    # and stays in memory until the garbage collector comes by.
                    size, turned = (frame.width, frame.height), frame.rotation
                    shown_as = orientation(frame)
                yield Picture(at_s, frame, self._pixel_aspect, shown_as, opaque=self._opaque)
        if not count:
            raise JepaError(f"There is no whole frame in {shown(self._where)}.", self._remedy())

    def _packets(self) -> Iterator["av.Packet[Any]"]:
        import av

        packets = self._container.demux(self._stream)
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


def _video_of(container: "av.container.InputContainer") -> "av.VideoStream | None":
    """The best video in ``container``: no cover of a piece of music, and no tile of a larger picture."""
    import av

    best = container.streams.best("video")
    parts = av.stream.Disposition.attached_pic | av.stream.Disposition.dependent
    whole = [each for each in container.streams.video if not each.disposition & parts]
    return next((each for each in whole if each is best), whole[0] if whole else None)


def _decoder_with_alpha(stream: "av.VideoStream") -> "av.VideoCodecContext | None":
    """What also decodes the alpha that WebM keeps beside the picture; None where there is none of it.

    The library's own decoders of VP8 and VP9 leave it out.
    """
    import av

    said = {key.lower(): value for key, value in stream.metadata.items()}
    name = {"vp8": "libvpx", "vp9": "libvpx-vp9"}.get(stream.codec_context.name)
    if said.get("alpha_mode") != "1" or name is None:
        return None
    try:
        decoder = av.CodecContext.create(name, "r")
    except av.codec.codec.UnknownCodecError:
        return None
    return cast(av.VideoCodecContext, decoder)


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
    """The pictures of a folder by name, numbers in it by their value, four a second."""

    live = False
    jumps = 0

    def __init__(self, folder: Path, opened: Callable[[str], PictureSource] = open_source) -> None:
        self.damaged = 0
        self._opened = opened
        self._folder = folder
        found = (path for path in folder.iterdir() if path.suffix.lower() in _PICTURES)
        self._files = sorted(found, key=_by_number)
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
            yield replace(picture, at_s=count / _FOLDER_FPS)
            count += 1
        if not count:
            raise JepaError(f"No picture in {self._folder} can be read.", "Name another folder.")

    def close(self) -> None:
        """Nothing is held open."""


def _by_number(path: Path) -> tuple[list[str | int], str]:
    """What sorts ``frame9`` before ``frame10``."""
    parts = re.split(r"([0-9]+)", path.name)
    return [int(part) if part.isdigit() else part for part in parts], path.name
