# SPDX-License-Identifier: Apache-2.0
"""Whatever is measured and however things are called: an answer, no accusation without a measured unit."""

import shlex
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from jepa.explanation.ranking import Question, explain
from jepa.explanation.situation import Situation
from jepa.explanation.use import UnitUse
from jepa.explanation.window import FrameWindow
from jepa.telemetry.events.event import KINDS, Event
from jepa.telemetry.frame import Frame
from jepa.telemetry.schema import load_schema
from tests.unit.explanation.scenes import MACHINE, SECOND, START_NS, accused, event, explained, situation

SCHEMA = load_schema()
NAMES = st.text(min_size=1, max_size=30).map(lambda text: f"{text}.service")
PERCENT = st.floats(0, 200)
BYTES = st.floats(-1e12, 1e12)
USES = st.dictionaries(
    NAMES,
    st.builds(
        UnitUse, st.just("x"), cpu=PERCENT, cpu_wait=PERCENT, io_wait=PERCENT, throttled=PERCENT,
        read=PERCENT, written=st.floats(0, 1e9), memory=st.floats(0, 1e12), growth=BYTES,
        limit=st.none() | st.floats(0, 1e12), tasks=PERCENT, forks=BYTES, connections=st.integers(0, 99),
        waiting=st.integers(0, 9), weight=st.none() | st.integers(1, 10000),
        active=st.sampled_from(["active", "failed", "inactive"]),
    ),
    max_size=5,
).map(lambda uses: {name: _called(use, name) for name, use in uses.items()})  # fmt: skip
EVENTS = st.lists(
    st.builds(
        Event,
        st.integers(START_NS, START_NS + 60 * SECOND),
        st.sampled_from(KINDS),
        st.none() | NAMES,
        st.none() | st.text(max_size=2000),
    ),
    max_size=8,
).map(tuple)


def _called(use: UnitUse, name: str) -> UnitUse:
    return replace(use, name=name)


@st.composite
def windows(draw: st.DrawFn) -> FrameWindow:
    """A minute of frames, each channel anywhere within its range, constant, rising or absent."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    low = np.array([channel.low for channel in SCHEMA.channels])
    high = np.array([channel.high for channel in SCHEMA.channels])
    begin, end = (low + rng.random(len(low)) ** 4 * (high - low) for _ in range(2))
    absent = rng.random(len(low)) < draw(st.sampled_from([0.0, 0.3, 1.0]))
    frames = []
    for second in range(draw(st.sampled_from([0, 1, 40, 70]))):
        values = np.where(absent, np.nan, begin + (end - begin) * second / 70).astype(np.float32)
        frames.append(Frame(START_NS + second * SECOND, values, np.isfinite(values)))
    return FrameWindow(SCHEMA, frames)


@settings(max_examples=40)
@given(windows(), USES, EVENTS, st.booleans())
def test_an_answer_in_order_and_nobody_is_accused_who_was_not_measured_or_told_of(
    window: FrameWindow, uses: dict[str, UnitUse], events: tuple[Event, ...], looked: bool
) -> None:
    seen = Situation(window, uses, machine=MACHINE if looked else None, events=events)
    for question in (Question(), Question(resource="io"), Question(units=tuple(uses))):
        found = explain(seen, question)
        severities = [cause.severity for cause in found.causes]
        assert severities == sorted(severities, reverse=True)
        assert all(0 < each <= 1 for each in severities)
        assert accused(found) <= {*uses, *(each.unit for each in events)}
        for cause in found.causes:
            for each in cause.offenders:
                assert each.share is None or 0 <= each.share <= 100.1


def test_a_name_is_one_word_of_the_command_that_is_shown() -> None:
    name = "x; reboot.service"
    seen = situation(events=(event("unit_failed", name, "result signal"),), units=())
    (cause,) = explained(seen).causes
    for each in (*cause.evidence, seen.unit(name, "it is")):
        assert ";" not in [word for word in shlex.split(each.command) if word != name]
    assert shlex.split(seen.unit(name, "it is").command)[-1] == name


def test_what_others_say_is_cut() -> None:
    seen = situation(events=(event("unit_failed", "x.service", "a" * 10_000),))
    assert all(len(each.text) < 400 for each in explained(seen).causes[0].evidence)
