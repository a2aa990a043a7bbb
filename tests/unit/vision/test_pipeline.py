# SPDX-License-Identifier: Apache-2.0
"""Clips hold every frame in order; what is lost or skipped is counted, and a source's error is told."""

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from jepa.errors import JepaError
from jepa.packs.vision import Clip
from jepa.vision.clip import Framer
from jepa.vision.picture import Picture
from jepa.vision.pipeline import _QUEUE, Gate, HeldPictureSource, Pipeline

CLIP = Clip(frames=4, channels=3, resize=36, crop=32, mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2))


class Made:
    """As many grey pictures as wanted, then perhaps an error."""

    def __init__(
        self, count: int, live: bool = False, fps: float = 4.0, grey: int | None = None, gone: bool = False
    ) -> None:
        self.live, self.damaged, self.jumps = live, 0, 0
        self.closed = threading.Event()
        self._count, self._fps, self._grey, self._gone = count, fps, grey, gone

    def __iter__(self) -> Iterator[Picture]:
        for number in range(self._count):
            grey = number % 250 if self._grey is None else self._grey
            yield Picture(number / self._fps, np.full((40, 50, 3), grey, np.uint8))
        if self._gone:
            raise JepaError("The camera is gone.", "Plug it in.")

    def close(self) -> None:
        self.closed.set()


def greys(frames: tuple[np.ndarray, ...]) -> list[int]:
    return [round(float(frame[0, 0, 0] * 0.2 + 0.5) * 255) for frame in frames]


def test_clips_follow_each_other_without_a_gap() -> None:
    source = Made(200)
    pipeline = Pipeline(source, Framer(CLIP), 4, 4.0)
    seen = [grey for taken in pipeline for grey in greys(taken.frames)]
    assert seen == list(range(200))
    assert (pipeline.counts.taken, pipeline.counts.dropped) == (200, 0)
    assert source.closed.is_set()


def test_a_faster_source_is_sampled() -> None:
    clips = list(Pipeline(Made(120, fps=30.0), Framer(CLIP), 4, 5.0))
    assert [greys(taken.frames) for taken in clips[:2]] == [[0, 6, 12, 18], [24, 30, 36, 42]]
    assert clips[1].start_s == pytest.approx(0.8)


def test_a_live_source_is_not_waited_for_and_what_it_lost_is_counted() -> None:
    source = Made(3 * _QUEUE, live=True)
    pipeline = Pipeline(source, Framer(CLIP), 4, 4.0)
    clips = iter(pipeline)
    first = next(clips)
    assert source.closed.wait(20), "it ran to its end although nobody took its pictures"
    rest = list(clips)
    assert pipeline.counts.dropped > 0
    for taken in (first, *rest):
        numbers = greys(taken.frames)
        assert numbers == list(range(numbers[0], numbers[0] + 4)), "no clip has a hole"


def test_a_source_that_breaks_off_is_told_after_its_whole_clips() -> None:
    seen = []
    with pytest.raises(JepaError, match="camera is gone"):
        for taken in Pipeline(Made(9, live=True, gone=True), Framer(CLIP), 4, 4.0):
            seen.append(taken)
    assert len(seen) == 2


def test_who_stops_listening_lets_go_of_the_source() -> None:
    source = Made(10_000)
    for _ in Pipeline(source, Framer(CLIP), 4, 4.0):
        break
    assert source.closed.wait(5)


def test_clips_in_which_nothing_changes_are_skipped() -> None:
    pipeline = Pipeline(Made(40, grey=100), Framer(CLIP), 4, 4.0, Gate(0.02))
    assert len(list(pipeline)) == 1
    assert pipeline.counts.unchanged == 9
    assert len(list(Pipeline(Made(40), Framer(CLIP), 4, 4.0, Gate(0.01)))) == 10


def test_a_single_picture_stays_for_a_clip() -> None:
    assert len(list(Pipeline(HeldPictureSource(Made(1), 4, 4.0), Framer(CLIP), 4, 4.0))) == 1
    assert len(list(Pipeline(HeldPictureSource(Made(2), 4, 4.0), Framer(CLIP), 4, 4.0))) == 0
