# SPDX-License-Identifier: Apache-2.0
"""What is now is told from what is usual; what was not observed is neither."""

import pytest

from jepa.explanation.window import FrameWindow
from jepa.telemetry.schema import load_schema
from tests.unit.explanation.scenes import END_NS, SECONDS, window

CPU = "system.cpu.utilization"


def test_now_is_the_newest_seconds_and_usual_what_came_before() -> None:
    seen = window({CPU: 90.0})
    assert seen.now(CPU) == pytest.approx(90, rel=0.05)
    assert seen.typical(CPU) == pytest.approx(4, rel=0.05)
    low, high = seen.usual(CPU) or (0.0, 0.0)
    assert 3 < low < 4 < high < 5
    assert (seen.at_ns, seen.over_s) == (END_NS, SECONDS - 1)


def test_what_has_lasted_is_usual() -> None:
    assert window({CPU: 90.0}, since=0).typical(CPU) == pytest.approx(90, rel=0.05)


def test_a_channel_that_was_not_observed_is_absent_not_zero() -> None:
    seen = window()
    for name in ("hw.power", "no.such.channel"):
        assert seen.now(name) is None
        assert seen.usual(name) is None
        assert seen.line(name, 60) is None


def test_too_few_frames_have_nothing_usual() -> None:
    seen = FrameWindow(load_schema(), window().frames[-30:])
    assert seen.now(CPU) is not None
    assert seen.usual(CPU) is None
    assert FrameWindow(load_schema()).now(CPU) is None


def test_the_line_has_the_rate_of_what_grows() -> None:
    line = window(lambda second: {CPU: 10 + 0.2 * second}, since=0).line(CPU, 120)
    assert line is not None
    assert line.rate == pytest.approx(0.2, rel=0.1)
    assert line.span_s == pytest.approx(120)
