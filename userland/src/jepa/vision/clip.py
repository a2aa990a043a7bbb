# SPDX-License-Identifier: Apache-2.0
"""Pictures to clips, as the public models were trained: resized, cropped in the middle, normalised."""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from jepa.errors import JepaError
from jepa.packs.vision import Clip
from jepa.vision.picture import ByteArray

FloatArray = npt.NDArray[np.float32]


class Framer:
    """Makes what a pack's encoder takes of pictures of any size."""

    def __init__(self, clip: Clip) -> None:
        self._clip = clip
        self._mean, self._std = (np.array(each, np.float32)[:, None, None] for each in (clip.mean, clip.std))

    def __call__(self, rgb: ByteArray) -> FloatArray:
        """(H, W, 3) -> (3, P, P); JepaError for what is no colour picture."""
        if rgb.ndim != 3 or rgb.shape[2] != self._clip.channels or not min(rgb.shape[:2]):
            raise JepaError(f"A picture of shape {rgb.shape} has no colours.", "Name another source.")
        height, width = rgb.shape[:2]
        shorter = min(height, width)
        tall, wide = (self._clip.resize * side // shorter for side in (height, width))
        rows = middle_rows(height, tall, self._clip.crop)
        columns = middle_rows(width, wide, self._clip.crop)
        colours = np.moveaxis(rgb, 2, 0).astype(np.float32)  # (3, H, W)
        return self.normalised(np.asarray(rows @ colours @ columns.T, np.float32))

    def normalised(self, small: FloatArray) -> FloatArray:
        """Resized pictures (..., 3, P, P), 0..255, as the encoder takes them."""
        # The reference keeps bytes between resizing and normalising.
        whole = np.clip(np.rint(small), 0, 255)
        return np.asarray((whole / np.float32(255) - self._mean) / self._std, np.float32)


@lru_cache(maxsize=16)
def middle_rows(size: int, resized: int, crop: int) -> FloatArray:
    """(crop, size): the weights by which ``size`` rows become the middle ``crop`` of ``resized`` ones.

    Bilinear, and where rows are made fewer a triangle as wide as they are apart (antialiasing, as in Pillow
    and torchvision).
    """
    ratio = size / resized
    reach = max(ratio, 1.0)
    first = round((resized - crop) / 2.0)
    centres = (np.arange(first, first + crop) + 0.5) * ratio  # in source rows
    places = np.arange(size) + 0.5
    weights = np.clip(1 - np.abs(places[None, :] - centres[:, None]) / reach, 0, None)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)
