# SPDX-License-Identifier: Apache-2.0
"""Alerts are scored against onsets, on recordings small enough to count by hand."""

from dataclasses import replace

import numpy as np

from jepa.evaluation.alert_scoring import (
    LEVELS,
    AlertTrace,
    CountsByLevel,
    count_alerts,
    model_alerts,
    recall_at_budget,
    score_alerts,
    threshold_alerts,
)
from jepa.telemetry.events.event import Event
from jepa.telemetry.recording import LISTENED, Recording, describe_host
from jepa.telemetry.schema import load_schema
from jepa.world.event_definitions import EVENT_DEFINITIONS, held, holding, reported_at, within

SECOND = 1_000_000_000


def series(frames: int, *on: tuple[int, int]) -> np.ndarray:
    line = np.zeros((frames, 1), np.float32)
    for start, end in on:
        line[start:end] = 1
    return line


def test_lead_times_alerts_and_false_alarms() -> None:
    holds = series(400, (100, 110), (130, 140), (300, 310))
    alerted = series(400, (95, 112), (137, 145), (180, 182), (250, 252)) > 0
    figures = score_alerts([AlertTrace(holds, alerted)], ["io_stall"])["io_stall"]
    # Leads of 5, 20 and 50 s: an alert may outlast what it was for.
    assert (figures.onsets, figures.predicted, figures.lead_s) == (3, 3, 20)
    assert (figures.alerts, figures.false_alarms) == (3, 1)
    assert figures.false_alarms_per_hour == 9


def test_what_is_not_predicted_has_no_lead() -> None:
    figures = score_alerts([AlertTrace(series(200, (150, 160)), series(200, (20, 30)) > 0)], ["oom_kill"])[
        "oom_kill"
    ]
    assert (figures.onsets, figures.predicted, figures.lead_s, figures.false_alarms) == (1, 0, None, 1)
    assert score_alerts([AlertTrace(series(50), series(50) > 0)], ["oom_kill"]) == {}


def test_an_event_holds_once_its_mean_is_high_enough_for_long_enough() -> None:
    schema = load_schema()
    values = np.zeros((20, len(schema.names)), np.float32)
    column = [each.name for each in EVENT_DEFINITIONS].index("io_stall")
    values[10:, schema.index("system.pressure.io.full")] = 40
    holds = holding(values, schema)[:, column]
    assert list(np.flatnonzero(holds)) == list(range(12, 20)), "three of five frames at twice the threshold"
    assert np.flatnonzero(threshold_alerts(values, schema)[:, column]).min() == 11
    values[15, schema.index("system.pressure.io.full")] = np.nan
    assert np.isnan(holding(values, schema)[15, column])


def test_where_nothing_shows_whether_it_holds_there_is_no_false_alarm() -> None:
    blind = np.full((200, 1), np.nan, np.float32)
    alerted = series(200, (20, 30)) > 0
    assert score_alerts([AlertTrace(blind, alerted)], ["unit_failure"]) == {}


def test_a_reported_event_holds_at_the_next_frame_where_reports_are_recorded() -> None:
    schema = load_schema()
    ts_ns = np.arange(10, dtype=np.int64) * SECOND
    reported = [Event(int(3.4 * SECOND), "unit_failed", "a.service", None), Event(0, "oom_kill", None, None)]
    meta = replace(describe_host(schema, labels={LISTENED: True}), service_manager=True)
    heard = Recording(
        schema, ts_ns, np.zeros((10, len(schema.names)), np.float32), (), tuple(reported), meta
    )
    column = [each.name for each in EVENT_DEFINITIONS].index("unit_failure")
    assert list(np.flatnonzero(held(heard)[:, column])) == [4]
    deaf = replace(heard, meta=replace(meta, labels={}))
    assert np.isnan(held(deaf)[:, column]).all()
    nobody = replace(heard, meta=replace(meta, service_manager=False))
    assert np.isnan(held(nobody)[:, column]).all(), "no unit can fail there"
    late = [Event(int(9.5 * SECOND), "unit_failed", "a.service", None)]
    assert not reported_at(late, ts_ns, "unit_failed").any(), "after the last frame"


def test_a_window_holds_what_comes_after_its_frame_up_to_its_end() -> None:
    came, known = within(series(10, (6, 7)), (1, 3))
    assert list(np.flatnonzero(came[:, 0, 0])) == [5]
    assert list(np.flatnonzero(came[:, 0, 1])) == [3, 4, 5]
    assert list(np.flatnonzero(known[:, 0, 1])) == list(range(7))


def test_an_alert_stands_once_any_horizon_was_likely_twice_until_all_are_unlikely() -> None:
    probability = [(0.1, 0.8), (0.1, 0.6), (0.1, 0.8), (0.9, 0.1), (0.2, 0.1), (0.05, 0.0), (np.nan, np.nan)]
    alerted = model_alerts(np.array(probability, np.float32)[:, None])
    assert alerted[:, 0].tolist() == [False, False, False, True, True, False, False]


def test_at_one_false_alarm_a_day_only_what_is_surer_than_every_false_alarm_is_predicted() -> None:
    holds = series(400, (100, 110), (200, 210), (300, 310))
    probability = np.zeros((400, 1, 1), np.float32)
    probability[95:98] = 0.97  # predicts the first
    probability[190:195] = 0.75  # and the second
    probability[295:298] = 0.86  # and the third
    probability[30:34] = 0.82  # a false alarm

    def by_level(holds: np.ndarray) -> CountsByLevel:
        traces = {level: AlertTrace(holds, model_alerts(probability, level)) for level in LEVELS}
        return {level: count_alerts(each, ["io_stall"]) for level, each in traces.items()}

    best = recall_at_budget(by_level(holds))["io_stall"]
    assert (best.level, best.onsets, best.predicted, best.lead_s) == (0.85, 3, 2, 4)
    assert best.recall == 2 / 3
    assert best.hours == 400 / 3600
    probability[30:34] = 1
    never = recall_at_budget(by_level(holds))["io_stall"]
    assert (never.level, never.predicted, never.lead_s) == (None, 0, None)
    assert recall_at_budget(by_level(series(400))) == {}
