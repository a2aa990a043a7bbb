# SPDX-License-Identifier: Apache-2.0
"""Units that take all CPU time, fork without end or flood the log are seen; busy work is not."""

from typing import Any

import pytest

from jepa.healing.detectors.storms import ForkStorm, LogStorm, Runaway
from jepa.healing.observation import UnitSample
from tests.unit.healing.streams import first, observed, unit


def cpu(name: str, now: float, used: float, waited: float, weight: int = 100) -> UnitSample:
    return unit(name, cpu_s=2 * used * now, cpu_wait_s=waited * now, cpu_weight=weight)


def test_a_runaway_is_seen_by_whom_it_keeps_waiting() -> None:
    def at(now: float) -> dict[str, Any]:
        return {"units": [cpu("mad.service", now, 0.95, 0.1, 10_000), cpu("web.service", now, 0.02, 0.97)]}

    found = first(observed(Runaway(), 60, at))
    assert found is not None and found[0] <= 8
    assert found[1].offenders[0].name == "mad.service"
    assert "web.service waits 97 % of the time" in found[1].summary


@pytest.mark.parametrize(
    "other",
    [
        {"used": 0.05, "waited": 0.2},  # the scheduler gives it what it wants
        {"used": 0.01, "waited": 0.99, "weight": 10},  # meant to wait
    ],
)
def test_busy_work_that_keeps_nobody_waiting_unfairly_is_no_runaway(other: dict[str, Any]) -> None:
    def at(now: float) -> dict[str, Any]:
        return {"units": [cpu("build.service", now, 0.95, 0.99), cpu("web.service", now, **other)]}

    assert first(observed(Runaway(), 120, at)) is None


def test_a_fork_storm_is_seen_and_a_large_server_is_not() -> None:
    found = first(observed(ForkStorm(), 20, lambda now: {"units": [unit(tasks=int(150 * now))]}))
    assert found is not None and found[0] <= 4
    assert first(observed(ForkStorm(), 60, lambda now: {"units": [unit(tasks=5000)]})) is None


def test_who_floods_the_log_is_named_and_not_the_journal() -> None:
    def at(now: float) -> dict[str, Any]:
        lines = {"loud.service": 290, "quiet.service": 10} if now > 5 else {}
        return {"units": [unit("systemd-journald.service", cpu_s=0.6 * now)], "log_lines": lines}

    found = first(observed(LogStorm(), 30, at))
    assert found is not None
    assert found[1].subject == "loud.service"
