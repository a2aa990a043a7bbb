# SPDX-License-Identifier: Apache-2.0
"""Pictures of Push-T, painted by how far each pixel lies from the edges of what is there.

Colours, rims and the green T that never moves are those of gym-pusht, which draws at 512 pixels without
smoothing and makes the picture smaller after that.
"""

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from jepa.packs.vision import Clip
from jepa.vision.clip import FloatArray, Framer
from jepa.vision.picture import ByteArray

Array = TypeVar("Array", FloatArray, Tensor)

SIZE = 512
"""Of the table."""
MIDDLE = 45.0
"""From the block's origin, in the middle of its bar's edge, to what it turns about."""
RADIUS = 15.0
"""Of the disc."""
_SEEN = 224
"""Pixels of the picture that stable-worldmodel shows, each way."""
_WHITE, _WALL, _TARGET = (255.0, 255.0, 255.0), (211.0, 211.0, 211.0), (144.0, 238.0, 144.0)
_DISC, _BLOCK = (
    ((65.0, 105.0, 225.0), (78.0, 126.0, 255.0)),
    ((119.0, 136.0, 153.0), (142.8, 163.2, 183.6)),
)
"""The rim's colour, and the colour within."""
_RIM = 4.0
_FAR = 80.0
"""From the block's middle to its farthest corner, with half of the rim."""
_TARGET_POSE = (256.0, 256.0, np.pi / 4)
_WALLS = (5.0, 506.0)


def outside_block(x: Array, y: Array) -> Array:
    """How far outside the T places in its own frame lie, below 0 inside (roughly there)."""
    return _least(_box(x, y - 15, 60, 15), _box(x, y - 60, 15, 60))


def _outside_parts(x: Array, y: Array) -> Array:
    """The same of its two parts, which meet at an edge that is drawn."""
    return _least(_box(x, y - 15, 60, 15), _box(x, y - 75, 15, 45))


def inside(x: FloatArray, y: FloatArray, pose: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Places on the table as a body at ``pose`` (..., 3), x, y and angle, has them in its own frame."""
    cos, sin = np.cos(pose[..., 2]), np.sin(pose[..., 2])
    return _turned_back(x - pose[..., 0], y - pose[..., 1], cos, sin)


def _turned_back(across: Array, down: Array, cos: Array, sin: Array) -> tuple[Array, Array]:
    return cos * across + sin * down, cos * down - sin * across


def _least(one: Array, other: Array) -> Array:
    return torch.minimum(one, other) if isinstance(one, Tensor) else np.minimum(one, other)


def _root(of: Array) -> Array:
    # PyTorch's root of short floats is a bit off, and another one on each device.
    return torch.sqrt(of.double()).float() if isinstance(of, Tensor) else np.sqrt(of)


def _box(x: Array, y: Array, wide: float, tall: float) -> Array:
    across, down = abs(x) - wide, abs(y) - tall
    right, below = across.clip(min=0), down.clip(min=0)
    within = -_least(-across, -down)
    outside: Array = _root(right * right + below * below) + within.clip(max=0)
    return outside


def middle_of(state: FloatArray) -> FloatArray:
    """States (N, 7) to (N, 2): what their blocks turn about."""
    angle = state[:, 4]
    way = np.stack([-np.sin(angle), np.cos(angle)], 1)
    return np.asarray(state[:, 2:4] + np.float32(MIDDLE) * way, np.float32)


class _Canvas:
    """``side`` pixels each way, colours through ``tint``, edges soft over ``smooth`` pixels on either side.

    A triangle filter makes 1 of a sharp edge, a box 0.5. It paints on PyTorch's ``device``.
    """

    def __init__(
        self, side: int, smooth: float, tint: Callable[[FloatArray], FloatArray], device: str = "cpu"
    ) -> None:
        self._side, self._pixel, self._smooth, self._tint = side, SIZE / side, smooth, tint
        self._device = device
        self._margin = self._half(_FAR) + 1  # around the picture: what is partly outside needs no care
        self._kept = slice(self._margin, self._margin + side)
        whole = side + 2 * self._margin
        places = ((np.arange(whole) + 0.5 - self._margin) * self._pixel).astype(np.float32)
        x, y = np.meshgrid(places, places)
        middle, half = sum(_WALLS) / 2, (_WALLS[1] - _WALLS[0]) / 2
        walls = np.abs(_box(x - middle, y - middle, half, half)) - 2
        target = outside_block(*inside(x, y, np.array(_TARGET_POSE, np.float32)))
        picture = torch.ones(whole, whole, 3, device=device) * self._colour(_WHITE)
        for field, colour in ((walls, _WALL), (target, _TARGET)):
            share = self._cover(self._there(field))[..., None]
            picture = picture * (1 - share) + self._colour(colour) * share
        self._empty = picture
        self._buffer = picture[None, ...].clone()

    def __call__(self, state: FloatArray) -> Tensor:
        """(N, 7) -> (N, side, side, 3), until the next call."""
        whole = self._fresh(len(state))
        disc, pose = state[:, :2], state[:, None, None, 2:5]
        middle = middle_of(state)
        disc_x, disc_y = (self._there(disc[:, None, None, axis]) for axis in (0, 1))
        block_x, block_y = (self._there(pose[..., axis]) for axis in (0, 1))
        cos, sin = (self._there(of(pose[..., 2])) for of in (np.cos, np.sin))

        def outside_disc(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
            across, down = x - disc_x, y - disc_y
            edge = _root(across * across + down * down) - RADIUS
            return edge, edge + _RIM

        def outside_block_and_parts(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
            at = _turned_back(x - block_x, y - block_y, cos, sin)
            return outside_block(*at) - _RIM / 2, _outside_parts(*at) + _RIM / 2

        self._put(whole, disc, RADIUS, outside_disc, _DISC)
        self._put(whole, middle, _FAR, outside_block_and_parts, _BLOCK)
        return whole[:, self._kept, self._kept]

    @property
    def empty(self) -> Tensor:
        """The picture (side, side, 3) of what never moves."""
        return self._empty[self._kept, self._kept]

    @empty.setter
    def empty(self, picture: FloatArray) -> None:
        self._empty[self._kept, self._kept] = self._there(picture)

    def _there(self, array: FloatArray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array, np.float32)).to(self._device)

    def _fresh(self, count: int) -> Tensor:
        """Empty pictures (N, ...) in the memory of the last ones: new pages take longer than painting."""
        if len(self._buffer) < count:
            self._buffer = self._empty.expand(count, -1, -1, -1).clone()
        self._buffer[:count] = self._empty
        return self._buffer[:count]

    def _put(
        self,
        whole: Tensor,
        middle: FloatArray,
        far: float,
        outside: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]],
        colours: tuple[tuple[float, ...], tuple[float, ...]],
    ) -> None:
        half = self._half(far)
        at = np.floor(middle / self._pixel).astype(np.int64) + self._margin
        at = np.clip(at, half, self._side + 2 * self._margin - 1 - half)
        span = at[:, :, None] + np.arange(-half, half + 1)  # (N, 2, W)
        x, y = np.moveaxis(((span + 0.5 - self._margin) * self._pixel).astype(np.float32), 1, 0)
        # Of the rim and of what is within it, (N, W, W).
        fields = outside(self._there(x[:, None, :]), self._there(y[:, :, None]))
        rim, within = (self._cover(each)[..., None] for each in fields)
        columns, rows = torch.from_numpy(np.moveaxis(span, 1, 0).copy()).to(self._device)
        number = torch.arange(len(middle), device=self._device)
        window = number[:, None, None], rows[:, :, None], columns[:, None, :]
        edge, fill = (self._colour(each) for each in colours)
        whole[window] = whole[window] * (1 - rim) + edge * (rim - within) + fill * within

    def _half(self, far: float) -> int:
        return int(np.ceil(far / self._pixel + self._smooth))

    def _colour(self, rgb: tuple[float, ...]) -> Tensor:
        return self._there(self._tint(np.array(rgb, np.float32)))

    def _cover(self, outside: Tensor) -> Tensor:
        """The share of each pixel that a shape covers, by how far outside of it the pixel's middle lies."""
        at = (outside / (self._pixel * self._smooth)).clip(-1, 1)
        return 0.5 - at + 0.5 * at * abs(at) if self._smooth == 1 else (1 - at) / 2


class Painter:
    """Draws for an encoder, as drawing and framing would, but only where something is: far faster."""

    def __init__(self, clip: Clip, device: str = "cpu") -> None:
        mean, std = np.array(clip.mean, np.float32), np.array(clip.std, np.float32)
        self._canvas = _Canvas(clip.crop, 1.0, lambda rgb: (rgb / np.float32(255) - mean) / std, device)
        empty = Framer(clip)(np.asarray(np.rint(_LARGE.empty.numpy()), np.uint8))
        self._canvas.empty = np.moveaxis(empty, 0, 2)

    def __call__(self, state: FloatArray) -> Tensor:
        """States (N, 7) -> (N, 3, P, P) normalised, on the device."""
        return self._canvas(state).movedim(3, 1).contiguous()


_LARGE = _Canvas(_SEEN, 0.5, lambda rgb: rgb)


def draw(state: FloatArray) -> ByteArray:
    """States (N, 7) to pictures (N, H, W, 3)."""
    return np.asarray(np.rint(_LARGE(state).numpy()), np.uint8)
