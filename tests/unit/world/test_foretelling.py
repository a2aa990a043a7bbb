# SPDX-License-Identifier: Apache-2.0
"""Warnings are counted against what then began, on recordings small enough to count by hand."""

from dataclasses import replace

import numpy as np

from jepa.telemetry.events.event import Event
from jepa.telemetry.recording import LISTENED, Recording, describe_host
from jepa.telemetry.schema import load_schema
from jepa.world.foretelling import Watched, judge, on_the_way, once_a_day, warnings_of
from jepa.world.hazards import HAZARDS, happened, happening, told_at, within
from jepa.world.notices import Rules

SECOND = 1_000_000_000


def series(frames: int, *on: tuple[int, int]) -> np.ndarray:
    line = np.zeros((frames, 1), np.float32)
    for start, end in on:
        line[start:end] = 1
    return line


def test_leads_alarms_and_vain_ones() -> None:
    happens = series(400, (100, 110), (130, 140), (300, 310))
    warned = series(400, (95, 112), (137, 145), (180, 182), (250, 252)) > 0
    figures = judge([Watched(happens, warned)], ["io_stall"])["io_stall"]
    # Leads of 5, 20 and 50 s: a warning may outlast what it was for.
    assert (figures.began, figures.foretold, figures.lead_s) == (3, 3, 20)
    assert (figures.alarms, figures.in_vain) == (3, 1)
    assert figures.in_vain_per_hour == 9


def test_what_is_not_foretold_has_no_lead() -> None:
    figures = judge([Watched(series(200, (150, 160)), series(200, (20, 30)) > 0)], ["oom_kill"])["oom_kill"]
    assert (figures.began, figures.foretold, figures.lead_s, figures.in_vain) == (1, 0, None, 1)
    assert judge([Watched(series(50), series(50) > 0)], ["oom_kill"]) == {}


def test_an_event_happens_once_its_mean_is_high_enough_for_long_enough() -> None:
    schema = load_schema()
    values = np.zeros((20, len(schema.names)), np.float32)
    column = [each.name for each in HAZARDS].index("io_stall")
    values[10:, schema.index("system.pressure.io.full")] = 40
    happens = happening(values, schema)[:, column]
    assert list(np.flatnonzero(happens)) == list(range(12, 20)), (
        "three of five frames at twice the threshold"
    )
    assert np.flatnonzero(on_the_way(values, schema)[:, column]).min() == 11
    values[15, schema.index("system.pressure.io.full")] = np.nan
    assert np.isnan(happening(values, schema)[15, column])


def test_where_nobody_could_see_whether_it_happens_no_alarm_is_in_vain() -> None:
    blind = np.full((200, 1), np.nan, np.float32)
    warned = series(200, (20, 30)) > 0
    assert judge([Watched(blind, warned)], ["unit_failure"]) == {}


def test_what_events_tell_happens_at_the_next_frame_if_anyone_listened() -> None:
    schema = load_schema()
    ts_ns = np.arange(10, dtype=np.int64) * SECOND
    told = [Event(int(3.4 * SECOND), "unit_failed", "a.service", None), Event(0, "oom_kill", None, None)]
    meta = replace(describe_host(schema, labels={LISTENED: True}), service_manager=True)
    heard = Recording(schema, ts_ns, np.zeros((10, len(schema.names)), np.float32), (), tuple(told), meta)
    column = [each.name for each in HAZARDS].index("unit_failure")
    assert list(np.flatnonzero(happened(heard)[:, column])) == [4]
    deaf = replace(heard, meta=replace(meta, labels={}))
    assert np.isnan(happened(deaf)[:, column]).all()
    nobody = replace(heard, meta=replace(meta, service_manager=False))
    assert np.isnan(happened(nobody)[:, column]).all(), "no unit can fail there"
    late = [Event(int(9.5 * SECOND), "unit_failed", "a.service", None)]
    assert not told_at(late, ts_ns, "unit_failed").any(), "after the last frame"


def test_a_window_holds_what_comes_after_its_frame_up_to_its_end() -> None:
    came, known = within(series(10, (6, 7)), (1, 3))
    assert list(np.flatnonzero(came[:, 0, 0])) == [5]
    assert list(np.flatnonzero(came[:, 0, 1])) == [3, 4, 5]
    assert list(np.flatnonzero(known[:, 0, 1])) == list(range(7))


def test_a_warning_stands_once_any_horizon_was_likely_twice_until_all_are_unlikely() -> None:
    odds = [(0.1, 0.8), (0.1, 0.6), (0.1, 0.8), (0.9, 0.1), (0.2, 0.1), (0.05, 0.0), (np.nan, np.nan)]
    warned = warnings_of(np.array(odds, np.float32)[:, None])
    assert warned[:, 0].tolist() == [False, False, False, True, True, False, False]


def test_with_one_alarm_a_day_in_vain_only_what_is_surer_than_every_vain_one_is_foretold() -> None:
    happens = series(400, (100, 110), (200, 210), (300, 310))
    odds = np.zeros((400, 1, 1), np.float32)
    odds[95:98] = 0.97  # foretells the first
    odds[190:195] = 0.75  # and the second
    odds[295:298] = 0.86  # and the third
    odds[30:34] = 0.82  # in vain

    def warned(level: float) -> list[np.ndarray]:
        return [warnings_of(odds, Rules(likely=level))]

    quiet = once_a_day([happens], warned, ["io_stall"])["io_stall"]
    assert (quiet.level, quiet.began, quiet.foretold, quiet.lead_s) == (0.85, 3, 2, 4)
    assert quiet.hours == 400 / 3600
    odds[30:34] = 1
    never = once_a_day([happens], warned, ["io_stall"])["io_stall"]
    assert (never.level, never.foretold, never.lead_s) == (None, 0, None)
    assert once_a_day([series(400)], warned, ["io_stall"]) == {}
