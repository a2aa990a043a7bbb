# SPDX-License-Identifier: Apache-2.0
"""What is judged degraded is what a person would want to know of, and comes with a remedy."""

import pytest

from jepa.errors import JepaError
from jepa.service.api import Budget, Part, PartState
from jepa.service.checks import Timing, budget, overall, source_parts, source_states, telemetry
from jepa.telemetry.clocks import Instant
from jepa.telemetry.schema import load_schema
from jepa.telemetry.source_state import SourceState

SECOND = 1_000_000_000


def used(rss_mib: float = 80.0, p99: float | None = 2.0) -> Budget:
    return Budget(
        cpu_percent=0.5,
        rss_mib=rss_mib,
        history_mib=1.0,
        history_limit_mib=64.0,
        tick_ms_p50=1.0,
        tick_ms_p99=p99,
    )


@pytest.mark.parametrize(
    ("telemetry_state", "model_state", "worst"),
    [
        ("ok", "ok", "ok"),
        ("ok", "off", "ok"),
        ("ok", "degraded", "degraded"),
        ("ok", "failed", "degraded"),
        ("failed", "ok", "failed"),
    ],
)
def test_without_frames_all_has_failed_without_a_model_it_is_degraded(
    telemetry_state: PartState, model_state: PartState, worst: PartState
) -> None:
    parts = [Part(name="telemetry", state=telemetry_state), Part(name="model", state=model_state)]
    assert overall(parts) == worst


def test_a_machine_that_misses_periods_is_falling_behind_until_it_keeps_up() -> None:
    timing = Timing(1.0)
    missed = 0
    for second in range(30):
        missed += second % 3 == 0
        timing.add(Instant(second, second * SECOND), missed)
    part = timing.schedule()
    assert part.state == "degraded"
    assert "Falling behind" in part.reason
    assert part.remedy
    for second in range(30, 100):
        timing.add(Instant(second, second * SECOND), missed)
    assert timing.schedule().state == "ok"


def test_one_missed_period_a_minute_is_no_news() -> None:
    timing = Timing(1.0)
    for second in range(60):
        timing.add(Instant(second, second * SECOND), second // 30)
    assert timing.schedule().state == "ok"


def test_a_clock_that_was_set_is_told_for_ten_minutes() -> None:
    timing = Timing(1.0)
    timing.add(Instant(0.0, 0), 0)
    timing.add(Instant(1.0, 3601 * SECOND), 0)
    assert timing.clock(2.0).state == "degraded"
    assert "+3600 s" in timing.clock(2.0).reason
    assert timing.clock(700.0).state == "ok"


def test_a_suspend_is_information_and_degrades_nothing() -> None:
    timing = Timing(1.0)
    timing.add(Instant(0.0, 0, 0.0), 0)
    timing.add(Instant(1.0, 3601 * SECOND, 3600.0), 0)
    part = timing.clock(11.0)
    assert (part.state, part.reason) == ("ok", "The machine was suspended for 1 h, until 10 s ago.")
    assert timing.clock(700.0).reason == ""


def test_a_slow_period_is_no_jump_of_the_clock() -> None:
    timing = Timing(1.0)
    timing.add(Instant(0.0, 0), 0)
    timing.add(Instant(90.0, 90 * SECOND), 89)
    assert timing.clock(91.0).state == "ok"


def test_too_much_memory_or_too_slow_a_tick_breaks_the_budget() -> None:
    assert budget(used(), 1.0).state == "ok"
    assert budget(used(p99=None), 1.0).state == "ok"
    assert "MiB" in budget(used(rss_mib=200), 1.0).reason
    assert "600 ms" in budget(used(p99=600), 1.0).reason
    assert budget(used(p99=600), 1.0).remedy


def test_no_channel_at_all_is_a_failure_and_absent_hardware_is_none() -> None:
    schema = load_schema()
    none = [SourceState("cpu", False, 0, 6, "no /proc/stat")]
    assert telemetry(3, None, schema, none).state == "failed"
    some = [*none, SourceState("memory", True, 5, 5, ""), SourceState("disk", True, 1, 7, "half")]
    assert telemetry(3, None, schema, some).state == "ok"
    assert telemetry(3, JepaError("Broken.", "Mend it."), schema, some).remedy == "Mend it."
    states = source_states(some)
    assert [source.state for source in states] == ["off", "ok", "degraded"]
    assert "no /proc/stat" in source_parts(states)[0].reason
