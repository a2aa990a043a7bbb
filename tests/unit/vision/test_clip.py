# SPDX-License-Identifier: Apache-2.0
"""Pictures become what the reference processor makes of them."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from jepa.errors import JepaError
from jepa.packs.vision import Clip
from jepa.vision.clip import Framer, middle_rows

_TIED = 5e-3
"""Of a byte: more than two orders of summing float32 are apart (1.4e-3 at most, seen in wide pictures)."""
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def clip(crop: int) -> Clip:
    return Clip(frames=2, channels=3, resize=int(crop * 256 / 224), crop=crop, mean=MEAN, std=STD)


def reference(rgb: np.ndarray, crop: int) -> tuple[np.ndarray, np.ndarray]:
    """What torchvision's resize, crop and normalisation do, which transformers' processor calls.

    And where a pixel lies half way between two bytes, so that either is right.
    """
    resize = int(crop * 256 / 224)
    height, width = rgb.shape[:2]
    size = [resize * side // min(height, width) for side in (height, width)]
    colours = torch.from_numpy(rgb).permute(2, 0, 1)[None].float()
    small = torch.nn.functional.interpolate(
        colours, size, mode="bilinear", antialias=True, align_corners=False
    )
    top, left = (round((side - crop) / 2.0) for side in size)
    small = small[0, :, top : top + crop, left : left + crop]
    tied = ((small - small.floor()) - 0.5).abs() < _TIED
    small = small.round().clamp(0, 255) / 255
    mean, std = (torch.tensor(each)[:, None, None] for each in (MEAN, STD))
    return ((small - mean) / std).numpy(), tied.numpy()


@settings(max_examples=30, deadline=None)
@given(
    height=st.integers(20, 300),
    width=st.integers(20, 300),
    crop=st.sampled_from([32, 64]),
    seed=st.integers(0, 99),
)
def test_it_is_the_reference_within_a_step_of_a_byte(height: int, width: int, crop: int, seed: int) -> None:
    rgb = np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)
    ours, (theirs, tied) = Framer(clip(crop))(rgb), reference(rgb, crop)
    assert ours.shape == theirs.shape == (3, crop, crop)
    step = 1 / 255 / min(STD)
    assert np.abs(ours - theirs).max() <= step * 1.01
    assert tied.mean() < 0.2
    assert np.abs(ours - theirs)[~tied].max() < step / 100, "roundings of ties aside it is the same"


def test_weights_of_each_row_sum_to_one_and_are_none_below_zero() -> None:
    rows = middle_rows(480, 292, 256)
    assert rows.shape == (256, 480)
    np.testing.assert_allclose(rows.sum(1), 1, rtol=1e-5)
    assert rows.min() >= 0


@pytest.mark.parametrize("shape", [(10, 10), (10, 10, 1), (0, 10, 3)])
def test_what_has_no_colours_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(JepaError, match="has no colours"):
        Framer(clip(32))(np.zeros(shape, np.uint8))
