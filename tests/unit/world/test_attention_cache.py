# SPDX-License-Identifier: Apache-2.0
"""Which frames the predictor attends to: the last W, and one in so many of those before."""

import numpy as np

from jepa.packs.pack import Pack
from jepa.world.attention_cache import AttentionCache


def pushed(cache: AttentionCache, frame: int) -> bool:
    """Whether a frame went into the coarse context when ``frame`` came; its number stands for its keys."""
    kept = cache.make_room()
    newest = np.full_like(cache.window[..., :1, :], frame)
    cache.push(np.concatenate([cache.window[..., 1:, :], newest], axis=3))
    return kept


def test_one_frame_in_so_many_is_kept_when_it_leaves_the_window(pack: Pack) -> None:
    shape = pack.manifest.shape
    cache = AttentionCache(shape)
    kept = [frame for frame in range(shape.window + 3 * shape.coarse_s) if pushed(cache, frame)]
    leaving = [frame - shape.window for frame in kept]
    assert leaving == [shape.coarse_s - 1, 2 * shape.coarse_s - 1, 3 * shape.coarse_s - 1]
    assert cache.coarse[0, 0, 0, -3:, 0].tolist() == leaving
    assert cache.counts.tolist() == [shape.window, 3]


def test_the_cache_before_lacks_the_newest_frame_alone(pack: Pack) -> None:
    cache = AttentionCache(pack.manifest.shape)
    for frame in (1, 2, 3):
        pushed(cache, frame)
    assert cache.window[0, 0, 0, -3:, 0].tolist() == [1, 2, 3]
    assert cache.before[0, 0, 0, -3:, 0].tolist() == [0, 1, 2]


def test_an_emptied_cache_is_as_a_new_one(pack: Pack) -> None:
    cache, new = AttentionCache(pack.manifest.shape), AttentionCache(pack.manifest.shape)
    for frame in range(200):
        pushed(cache, 1 + frame)
    cache.clear()
    assert cache.frames == 0
    assert not cache.counts.any()
    for name in ("window", "before", "coarse"):
        np.testing.assert_array_equal(getattr(cache, name), getattr(new, name))
