# SPDX-License-Identifier: Apache-2.0
"""The window slides: each moment is encoded once, when it is the newest, and kept."""

from pathlib import Path

import numpy as np
import pytest

from jepa.vision.model import VisionModel
from jepa.vision.rolling import RollingWindow


class Counted(VisionModel):
    """Counts what it encodes."""

    passes = 0

    def encode(self, frames: list[np.ndarray]) -> np.ndarray:  # type: ignore[override]
        self.passes += 1
        return super().encode(frames)


@pytest.fixture
def model(vision_pack: Path) -> Counted:
    return Counted(vision_pack, VisionModel.load(vision_pack).manifest)


def frames(count: int) -> list[np.ndarray]:
    return list(np.random.default_rng(0).normal(size=(count, 3, 64, 64)).astype(np.float32))


def test_each_moment_is_what_a_clip_that_ends_with_it_says(model: Counted) -> None:
    window = RollingWindow(model, frames=8)
    assert window.latents.shape == (0, 16, 128)
    seen = frames(15)
    newest = [window.push(frame) for frame in seen]
    assert [number for number, each in enumerate(newest) if each is not None] == [3, 5, 7, 9, 11, 13]
    assert model.passes == 6, "one short pass a moment"
    assert window.latents.shape == (4, 16, 128)
    for age in range(4):
        end = 14 - 2 * age
        np.testing.assert_allclose(
            window.latents[-1 - age], model.encode(seen[end - 4 : end])[-1], atol=1e-5
        )


def test_a_long_window_holds_no_more_than_it_should(model: Counted) -> None:
    window = RollingWindow(model, frames=128)
    for frame in frames(4) * 40:
        window.push(frame)
    assert window.latents.shape == (64, 16, 128)
    window.clear()
    assert window.latents.shape == (0, 16, 128)
    assert window.push(frames(1)[0]) is None


@pytest.mark.parametrize("length", [2, 9])
def test_a_window_that_cannot_be_is_refused(model: Counted, length: int) -> None:
    with pytest.raises(ValueError, match="window of"):
        RollingWindow(model, frames=length)
