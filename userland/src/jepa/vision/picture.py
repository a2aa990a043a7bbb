# SPDX-License-Identifier: Apache-2.0
"""One picture of a source, and the colours in it as a person would see them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from jepa.vision.orientation import UPRIGHT, Orientation, upright

if TYPE_CHECKING:
    import av

ByteArray = npt.NDArray[np.uint8]

_WHITE = 255
"""What shows through where a picture is transparent."""
_HDR = frozenset({16, 18})
"""Transfer functions, as H.273 numbers them: perceptual quantizer and hybrid log-gamma."""
_SDR: dict[str, Any] = {"dst_color_trc": 13, "dst_color_primaries": 1}
"""Those of sRGB."""
_ONE_THREAD: dict[str, Any] = {"threads": 1}
"""By default each conversion starts a thread for each CPU, and they live as long as the frame does."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One frame."""

    at_s: float
    """Since the first one."""
    content: "ByteArray | av.VideoFrame"
    pixel_aspect: float = 1.0
    """Width of a pixel over its height."""
    orientation: Orientation = UPRIGHT
    opaque: bool = False
    """Whether alpha means nothing: the framebuffer of a screen has a byte for it, most often 0."""

    @property
    def rgb(self) -> ByteArray:
        """(H, W, 3), made when it is asked for: of most frames of a camera it is not.

        Upright, with square pixels, of one field, on white, in the range of a usual screen.
        """
        if isinstance(self.content, np.ndarray):
            return self.content
        shown = _rgb(self.content, self.pixel_aspect, opaque=self.opaque)
        return upright(shown, self.orientation)


def grey(frame: "av.VideoFrame") -> ByteArray:
    """(H, W)"""
    return np.asarray(frame.to_ndarray(format="gray", **_ONE_THREAD), np.uint8)


def is_hidden(frame: "av.VideoFrame") -> bool:
    """Whether nothing of it would show, since its alpha is 0 everywhere."""
    return _has_alpha(frame) and not frame.to_ndarray(format="rgba", **_ONE_THREAD)[..., 3].any()


def _has_alpha(frame: "av.VideoFrame") -> bool:
    return frame.format.has_palette or any(component.is_alpha for component in frame.format.components)


def on_white(rgba: ByteArray) -> ByteArray:
    """(H, W, 4) -> (H, W, 3)"""
    colours, alpha = rgba[..., :3].astype(np.uint32), rgba[..., 3:].astype(np.uint32)
    return np.asarray((colours * alpha + _WHITE * (255 - alpha) + 127) // 255, np.uint8)


def _rgb(frame: "av.VideoFrame", pixel_aspect: float, *, opaque: bool) -> ByteArray:
    wanted: dict[str, Any] = dict(_ONE_THREAD)
    if int(frame.color_trc) in _HDR:
        wanted |= _SDR
    if pixel_aspect != 1:
        wanted["width"] = max(1, round(frame.width * pixel_aspect))
    if _has_alpha(frame) and not opaque:
        colours = on_white(np.asarray(frame.to_ndarray(format="rgba", **wanted), np.uint8))
    else:
        colours = np.asarray(frame.to_ndarray(format="rgb24", **wanted), np.uint8)
    if frame.interlaced_frame:
        # Both fields together show what moves twice, as combs.
        colours = np.repeat(colours[::2], 2, axis=0)[: len(colours)]
    return colours
