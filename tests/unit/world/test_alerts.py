# SPDX-License-Identifier: Apache-2.0
"""What a person is told of ticks: once, with numbers of a sensible size, and nothing that every boot has."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from jepa.telemetry.events.event import KINDS, Event
from jepa.world.alerts import ALERT_KINDS, BOOT_S, CONTEXT_FRAMES, Alerts
from jepa.world.forecast import SCALE_FRAMES, Forecast, Surprise, Tick

NOTHING = np.zeros((1, 1, 3), np.float32)
SECOND = 1_000_000_000
UP_S = 10_000.0


def tick(
    second: int,
    strange: float | None = 0.5,
    probability: Sequence[float] = (0.0, 0.0),
    *,
    size: float = 5.0,
    holds: float = 0.0,
    context: int = 100,
    channels: tuple[tuple[str, float], ...] = (("disk.wait", 4.0),),
) -> Tick:
    forecast = Forecast(
        second * SECOND,
        ("a",),
        (5, 60),
        (0.05, 0.5, 0.95),
        NOTHING,
        NOTHING,
        ("io_stall",),
        np.array([probability], np.float32),
    )
    surprise = None if strange is None else Surprise(1.0, 1.0, size, strange, channels, frames=second + 1)
    return Tick(forecast, surprise, context, 1.0, np.array([holds], np.float32))


def told(ticks: Sequence[Tick], alerts: Alerts | None = None, uptime_s: float = UP_S) -> list[Event]:
    alerts = alerts or Alerts()
    return [event for each in ticks for event in alerts.look(each, uptime_s)]


def settled() -> tuple[Alerts, int]:
    """Alerts that know how strange frames of this machine are, and the next second."""
    alerts = Alerts()
    assert not told([tick(second) for second in range(SCALE_FRAMES)], alerts)
    return alerts, SCALE_FRAMES


def test_an_anomaly_is_told_when_it_begins_and_when_it_is_over() -> None:
    alerts, now = settled()
    strange = [None, 0.5, 0.999, 0.4, 0.9995, 0.999, 0.999, *[0.5] * 20]
    events = told([tick(now + number, each) for number, each in enumerate(strange)], alerts)
    seconds = [(event.kind, event.ts_ns // SECOND - now) for event in events]
    assert seconds == [("anomaly", 5), ("anomaly_over", 21)]
    assert events[0].detail == "stranger than 99.9% of frames; disk.wait (4.0 bands out)"
    assert {event.kind for event in events} <= set(KINDS)


def test_one_strange_frame_now_and_then_is_none() -> None:
    alerts, now = settled()
    ticks = [tick(now + number, 0.9999 if number % 4 == 0 else 0.5) for number in range(100)]
    assert not told(ticks, alerts)


def test_what_surprises_little_more_than_usual_is_no_anomaly() -> None:
    alerts, now = settled()
    assert not told([tick(now + number, 0.9999, size=2.0) for number in range(100)], alerts)


def test_a_second_false_anomaly_within_a_day_is_not_told() -> None:
    alerts, now = settled()
    ticks = [tick(now + number, 0.9999 if number % 100 < 10 else 0.5) for number in range(1000)]
    assert [event.kind for event in told(ticks, alerts)] == ["anomaly", "anomaly_over"]


def test_an_anomaly_before_a_reported_fault_was_right() -> None:
    alerts, now = settled()
    for cycle in range(3):
        start = now + cycle * 100
        assert len(told([tick(start + number, 0.9999) for number in range(5)], alerts)) == 1
        alerts.hear(Event((start + 5) * SECOND, "io_error", "sda", None, "error", "kmsg"))
        told([tick(start + 5 + number) for number in range(95)], alerts)
    assert alerts.records()["anomaly"].ledger.right == 3


def test_an_event_that_looms_is_predicted_once_with_its_nearest_horizon() -> None:
    far, near, fading, over = (0.1, 0.96), (0.97, 0.98), (0.1, 0.3), (0.0, 0.05)
    row = [over, far, far, near, fading, far, over]
    alerts = Alerts()
    (event,) = told([tick(number, probability=each) for number, each in enumerate(row)], alerts)
    assert (event.ts_ns // SECOND, event.kind, event.unit) == (2, "event_predicted", "io_stall")
    assert event.detail == "io stall within 60 s: 96 %"
    told([tick(7, holds=1.0)], alerts)
    (again,) = told([tick(8 + number, probability=near) for number in range(3)], alerts)
    assert again.detail == "io stall within 5 s: 98 %"


def test_a_second_false_alarm_within_a_day_is_not_told() -> None:
    rows = [(0.0, 0.97 if number % 100 < 10 else 0.0) for number in range(1000)]
    assert len(told([tick(number, probability=row) for number, row in enumerate(rows)])) == 1


def test_an_event_known_by_report_makes_its_alert_right() -> None:
    alerts = Alerts()
    ticks = [tick(number, probability=(0.0, 0.97)) for number in range(5)]
    units = [replace(each, forecast=replace(each.forecast, events=("unit_failure",))) for each in ticks]
    assert len(told(units, alerts)) == 1
    alerts.hear(Event(5 * SECOND, "unit_failed", "a.service", None, "warning", "units"))
    last = tick(5)
    told([replace(last, forecast=replace(last.forecast, events=("unit_failure",)))], alerts)
    assert alerts.records()["unit_failure"].ledger.right == 1


def test_nothing_is_told_in_the_first_minutes_after_a_boot() -> None:
    boot = [tick(second, 1.0, (1.0, 1.0), size=9.0) for second in range(int(BOOT_S))]
    alerts = Alerts()
    assert not [event for second, each in enumerate(boot) for event in alerts.look(each, float(second))]


def test_nothing_is_told_from_a_context_that_has_just_begun() -> None:
    ticks = [tick(number, 0.5, (0.0, 0.99), context=number + 1) for number in range(CONTEXT_FRAMES + 5)]
    (event,) = told(ticks)
    assert event.ts_ns // SECOND == CONTEXT_FRAMES - 1


def test_no_anomaly_is_told_before_the_scale_of_this_machine_is_known() -> None:
    assert not told([tick(second, 1.0) for second in range(SCALE_FRAMES - 1)])


def test_what_was_learned_outlives_a_restart() -> None:
    ticks = [tick(number, probability=(0.0, 0.97 if number < 5 else 0.0)) for number in range(100)]
    alerts = Alerts()
    assert len(told(ticks, alerts)) == 1
    again = Alerts(alerts.records())
    later = [
        replace(each, forecast=replace(each.forecast, ts_ns=each.forecast.ts_ns + 3600 * SECOND))
        for each in ticks
    ]
    assert not told(later, again)


def test_numbers_have_a_sensible_size() -> None:
    alerts, now = settled()
    channels = (("system.network.packets", 2005454.1), ("disk.wait", 0.01))
    (event,) = told([tick(now + number, 1.0, channels=channels) for number in range(5)], alerts)
    assert event.detail == (
        "stranger than 99.9% of frames; "
        "system.network.packets (more than 100 bands out), disk.wait (0.1 bands out)"
    )


def test_what_cannot_be_seen_here_is_not_predicted() -> None:
    assert not told([tick(number, probability=(np.nan, np.nan), holds=np.nan) for number in range(5)])


def test_a_model_without_events_predicts_none() -> None:
    bare = replace(
        tick(0),
        forecast=replace(tick(0).forecast, events=(), event_probability=np.zeros((0, 0), np.float32)),
        event_holds=np.zeros(0, np.float32),
    )
    assert not told([bare, bare, bare])


def test_kinds_are_told_apart() -> None:
    assert len(set(ALERT_KINDS)) == len(ALERT_KINDS)
