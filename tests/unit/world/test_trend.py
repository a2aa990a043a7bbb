# SPDX-License-Identifier: Apache-2.0
"""A leak is told once and with the right time; noise, steps, waves and what shrinks are not."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.telemetry.events.event import Event
from jepa.telemetry.frame import Frame
from jepa.telemetry.schema import load_schema
from jepa.world.trend import Trends, find_trend

SCHEMA = load_schema()
MEMORY = SCHEMA.index("system.memory.utilization")
SECOND = 1_000_000_000
START_NS = 1_780_000_005 * SECOND  # a block begins


def watched(memory: np.ndarray, trends: Trends | None = None, start_ns: int = START_NS) -> list[Event]:
    trends = trends or Trends(SCHEMA)
    told = []
    for second, value in enumerate(memory):
        values = np.full(len(SCHEMA.names), np.nan, np.float32)
        values[MEMORY] = value
        told += trends.push(Frame(start_ns + second * SECOND, values, np.isfinite(values)))
    return told


def test_a_leak_is_told_once_with_the_time_left() -> None:
    rng = np.random.default_rng(1)
    memory = 30 + np.arange(1800) / 60 + rng.normal(0, 0.2, 1800)
    (event,) = watched(memory)
    assert event.kind == "event_predicted"
    assert 299 <= (event.ts_ns - START_NS) / SECOND <= 390, (
        "after twenty blocks, and no further ahead than twelve times that"
    )
    assert re.fullmatch(
        r"memory reaches 95 % in about (59|6\d) min: it grew by (1|0\.9\d) % a minute for [56] min",
        event.detail or "",
    )


@pytest.mark.parametrize(
    "memory",
    [
        np.random.default_rng(2).normal(40, 1, 1800),
        np.where(np.arange(1800) < 700, 30.0, 60.0),
        40 + 5 * np.sin(np.arange(1800) / 60),
        60 - np.arange(1800) / 100,
        np.full(1800, 50.0),
        30 + np.arange(1800) / 4000,
        np.full(1800, np.nan),
    ],
    ids=["noise", "step", "wave", "shrinking", "constant", "too slow", "absent"],
)
def test_what_is_no_leak_is_not_told(memory: np.ndarray) -> None:
    assert not watched(memory)


def test_a_leak_that_ended_is_no_news_until_it_goes_further() -> None:
    leak = 30 + np.arange(600) / 60
    assert len(watched(np.concatenate([leak, np.full(1800, 30.0), leak]))) == 1
    a_day = np.full(86_400, 30.0)
    assert len(watched(np.concatenate([leak, a_day, leak]))) == 1
    assert len(watched(np.concatenate([leak, a_day, 30 + np.arange(2400) / 60]))) == 2


def test_growth_that_reached_the_limit_was_told_rightly_and_is_told_again() -> None:
    full = np.concatenate([55 + np.arange(2460) / 60, np.full(600, 50.0)])
    assert len(watched(np.tile(full, 3))) == 3


def test_a_saw_tooth_is_news_once() -> None:
    second = np.arange(43_200)
    tooth = 77 + 8 * (second % 600) / 600 + np.random.default_rng(3).normal(0, 0.02, len(second))
    assert len(watched(tooth)) == 1
    hourly = np.where(second % 3600 < 600, tooth, 77.0)
    assert len(watched(hourly)) == 1


def test_a_download_that_leaves_room_is_told_at_most_once_a_day() -> None:
    download = np.concatenate([np.minimum(40 + np.arange(3600) / 60, 80), np.full(3600, 40.0)])
    assert len(watched(np.tile(download, 6))) == 1


def test_what_was_learned_outlives_a_restart() -> None:
    leak = 30 + np.arange(600) / 60
    before = Trends(SCHEMA)
    assert len(watched(np.concatenate([leak, np.full(60, 30.0)]), before)) == 1
    after = Trends(SCHEMA, before.records())
    assert watched(leak, after, START_NS + 7200 * SECOND) == []


def test_what_was_seen_before_a_gap_counts_no_more() -> None:
    trends, told = Trends(SCHEMA), []
    for number in range(400):
        values = np.full(len(SCHEMA.names), np.nan, np.float32)
        values[MEMORY] = 30 + number / 60
        ts_ns = START_NS + (number + (3600 if number >= 200 else 0)) * SECOND
        told += trends.push(Frame(ts_ns, values, np.isfinite(values)))
    assert not told, "neither part is long enough by itself"


@given(st.lists(st.floats(0, 100), max_size=128), st.floats(1, 100))
def test_a_trend_always_leads_up_to_its_limit(blocks: list[float], limit: float) -> None:
    found = find_trend(blocks, limit, 0.5)
    if found is not None:
        assert found.rate > 0
        assert 0 < found.left_s <= 12 * found.seen_s
