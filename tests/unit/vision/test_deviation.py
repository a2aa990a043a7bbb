# SPDX-License-Identifier: Apache-2.0
"""What is usual at one camera, and how far a clip lies from what was expected."""

import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jepa.vision.deviation import CoarseSight, DeviationScale, LatentSight, Sight, mean_cosine
from jepa.vision.model import VisionModel


def test_nothing_is_judged_before_something_is_usual() -> None:
    usual = DeviationScale(0.01)
    assert all(usual.judge(0.1) is None for _ in range(20))
    judged = usual.judge(0.5)
    assert judged is not None
    assert (judged.share, judged.times, judged.of) == (1.0, pytest.approx(5), 20)


def test_ranks_are_as_often_high_as_they_say() -> None:
    rng, usual = np.random.default_rng(1), DeviationScale(0.0)
    shares = [judged.share for _ in range(3000) if (judged := usual.judge(rng.exponential()))]
    for level in (0.5, 0.9, 0.99):
        assert np.mean(np.array(shares) >= level) == pytest.approx(1 - level, abs=0.02)


def test_what_was_strange_becomes_usual() -> None:
    usual = DeviationScale(0.01)
    for _ in range(100):
        usual.judge(0.1)
    first = usual.judge(1.0)
    for _ in range(100):
        last = usual.judge(1.0)
    assert first is not None
    assert last is not None
    assert first.times == pytest.approx(10)
    assert last.times == pytest.approx(1)


@settings(max_examples=20)
@given(st.lists(st.floats(0, 2), min_size=25, max_size=700))
def test_judgements_are_bounded_and_memory_is(distances: list[float]) -> None:
    usual = DeviationScale(0.01)
    for distance in distances:
        judged = usual.judge(distance)
        assert judged is None or (0 <= judged.share <= 1 and judged.of <= 600)


def clip(grey: float, size: int, count: int = 4) -> list[np.ndarray]:
    return [np.full((3, size, size), grey, np.float32) for _ in range(count)]


def test_a_coarse_sight_sees_change_and_forgets_when_told() -> None:
    sight: Sight = CoarseSight()
    assert sight.look(clip(0.0, 64), follows=False) is None
    assert sight.look(clip(0.0, 64), follows=True) == 0
    assert sight.look(clip(0.5, 64), follows=False) == pytest.approx(0.5)
    sight.clear()
    assert sight.look(clip(0.5, 64), follows=True) is None


def test_latents_are_held_against_those_that_were_told(vision_pack: Path) -> None:
    model = VisionModel.load(vision_pack)
    model.open()
    assert set(model._sessions) == {"encoder", "predictor"}
    sight: Sight = LatentSight(model, threading.Lock())
    rng = np.random.default_rng(0)
    first, second = ([rng.normal(size=(3, 64, 64)).astype(np.float32) for _ in range(4)] for _ in range(2))
    assert sight.look(first, follows=False) is None
    before, after = model.encode(first), model.encode(second)
    told = model.predict(before)[: len(after)]
    assert sight.look(second, follows=True) == pytest.approx(
        1 - mean_cosine(told, after[: len(told)]), abs=1e-5
    )
    sight.clear()
    sight.look(first, follows=True)
    assert sight.look(second, follows=False) == pytest.approx(
        1 - mean_cosine(before[-1:], after[:1]), abs=1e-5
    )
