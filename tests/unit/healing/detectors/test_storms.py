# SPDX-License-Identifier: Apache-2.0
"""Units that take all CPU time, fork without end or flood the log are seen; busy work is not."""

from typing import Any

from jepa.healing.detectors.storms import ForkStorm, LogStorm, Runaway
from tests.unit.healing.streams import first, observed, unit


def test_a_runaway_is_seen_only_while_others_wait() -> None:
    def alone(now: float) -> dict[str, Any]:
        return {"units": [unit(cpu_s=2 * now)], "cpu_some_s": 0.05 * now}

    def crowded(now: float) -> dict[str, Any]:
        return {"units": [unit(cpu_s=1.9 * now)], "cpu_some_s": 0.9 * now}

    assert first(observed(Runaway(), 120, alone)) is None
    found = first(observed(Runaway(), 120, crowded))
    assert found is not None and 30 <= found[0] <= 40


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
