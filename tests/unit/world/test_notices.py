# SPDX-License-Identifier: Apache-2.0
"""What is told of ticks, once and no more."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from jepa.telemetry.events.event import KINDS, Event
from jepa.world.forecast import Forecast, Surprise, Tick
from jepa.world.notices import Notices

NOTHING = np.zeros((1, 1, 3), np.float32)


def tick(number: int, strange: float | None = 0.5, probability: Sequence[float] = (0.0, 0.0)) -> Tick:
    forecast = Forecast(
        number,
        ("a",),
        (5, 60),
        (0.05, 0.5, 0.95),
        NOTHING,
        NOTHING,
        ("io_stall",),
        np.array([probability], np.float32),
    )
    surprise = None if strange is None else Surprise(1.0, 1.0, 2.0, strange, (("disk.wait", 4.0),))
    return Tick(forecast, surprise, 100, 1.0)


def told(ticks: Sequence[Tick]) -> list[Event]:
    notices = Notices()
    return [event for each in ticks for event in notices.look(each)]


def test_an_anomaly_is_told_when_it_begins_and_when_it_is_over() -> None:
    strange = [None, 0.5, 0.999, 0.4, 0.9995, 0.999, 0.999, *[0.5] * 20]
    events = told([tick(number, each) for number, each in enumerate(strange)])
    assert [(event.kind, event.ts_ns) for event in events] == [("anomaly", 5), ("anomaly_over", 21)]
    assert "disk.wait (4.0 bands out)" in (events[0].detail or "")
    assert {event.kind for event in events} <= set(KINDS)


def test_one_strange_frame_now_and_then_is_none() -> None:
    assert not told([tick(number, 0.9999 if number % 4 == 0 else 0.5) for number in range(100)])


def test_an_event_that_looms_is_predicted_once_with_its_nearest_horizon() -> None:
    far, near, fading, over = (0.1, 0.75), (0.7, 0.8), (0.1, 0.3), (0.0, 0.05)
    probability = [over, far, far, near, fading, far, over, near, near]
    events = told([tick(number, probability=each) for number, each in enumerate(probability)])
    assert [(event.ts_ns, event.detail) for event in events] == [
        (2, "io stall within 60 s: 75%"),
        (8, "io stall within 5 s: 80%"),
    ]


def test_one_frame_that_says_so_is_not_enough() -> None:
    assert not told([tick(number, probability=(0.0, 0.9 * (number % 2))) for number in range(20)])


def test_what_cannot_be_seen_here_is_not_predicted() -> None:
    assert not told([tick(0, probability=(np.nan, np.nan))])


def test_a_model_without_events_predicts_none() -> None:
    bare = replace(
        tick(0),
        forecast=replace(tick(0).forecast, events=(), event_probability=np.zeros((0, 0), np.float32)),
    )
    assert not told([bare, bare, bare])
