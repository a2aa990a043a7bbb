# SPDX-License-Identifier: Apache-2.0
"""Who is asked the same thing twice answers once, and never for another recording."""

from collections.abc import Sequence

import numpy as np

from jepa.evaluation.courses import HORIZONS, CourseQuestion
from jepa.telemetry.recording import Meta, Recording
from jepa.telemetry.schema import load_schema
from jepa.world.controls import CONTROLS
from jepa.world.forecast import FloatArray
from tests.bench.effect_peers import Mean, Remembered

SCHEMA = load_schema()


class Level:
    """Says the last value of the first channel, and counts how often it was asked."""

    def __init__(self, share: float = 1.0) -> None:
        self.asked, self._share = 0, share

    def windows(
        self, recording: Recording, questions: Sequence[CourseQuestion], horizons: Sequence[int] = HORIZONS
    ) -> list[FloatArray]:
        self.asked += 1
        shape = (1, len(SCHEMA.channels), len(horizons))
        return [np.full(shape, self._share * recording.values[each.at, 0]) for each in questions]


def recording(level: float) -> Recording:
    values = np.full((3, len(SCHEMA.channels)), level, np.float32)
    return Recording(SCHEMA, np.arange(3, dtype=np.int64), values, (), (), Meta(1, "", 1, 1024, "", ""))


def test_what_was_said_of_one_recording_is_not_said_of_the_next() -> None:
    level = Level()
    remembered = Remembered(level)
    question = CourseQuestion(2, np.zeros((1, len(CONTROLS)), np.float32))
    # Each is gone before the next one is made, which may then lie at the same address.
    said = [
        float(remembered.windows(recording(each), [question])[0][0, 0, 0]) for each in (1.0, 2.0, 3.0, 1.0)
    ]
    assert said == [1.0, 2.0, 3.0, 1.0]
    assert level.asked == 3


def test_the_mean_of_two_lies_between_them() -> None:
    question = CourseQuestion(0, np.zeros((1, len(CONTROLS)), np.float32))
    (windows,) = Mean([Level(1.0), Level(0.5)]).windows(recording(4.0), [question])
    np.testing.assert_allclose(windows, 3.0)
