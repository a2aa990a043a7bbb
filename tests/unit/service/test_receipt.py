# SPDX-License-Identifier: Apache-2.0
"""The receipt tells of each alert what it came to, of changes what stands, of tasks what they brought."""

import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jepa.service.alerting import Alerting
from jepa.service.api import AlertKind, EventOut
from jepa.service.receipt import Receipt, in_one_line, receipt, since
from jepa.service.unit_costs import UnitCost, unit_costs
from jepa.telemetry.events.event import Event
from jepa.telemetry.frame import Frame
from jepa.world.forecast import Forecast, Tick
from tests.unit.service.test_alerting import SCHEMA, SECOND, START_NS, alerting, looming

DAY_NS = 86_400 * SECOND


def out(events: list[Event]) -> list[EventOut]:
    return [EventOut(sequence=number, **asdict(event)) for number, event in enumerate(events, 1)]


def made(**given: Any) -> Receipt:
    nothing: dict[str, Any] = {"events": [], "kinds": [], "changes": [], "tasks": [], "cost": []}
    return receipt(START_NS - 1, START_NS + 3600 * SECOND, **{**nothing, **given})


def stall(alerts: Alerting, second: int, *, holds: bool) -> None:
    """One frame, in which an I/O stall holds or not, and none is likely to come."""
    values = np.full(len(SCHEMA.names), np.nan, np.float32)
    nothing, ts_ns = np.zeros((1, 1, 3), np.float32), START_NS + second * SECOND
    forecast = Forecast(
        ts_ns, ("a",), (5,), (0.05, 0.5, 0.95), nothing, nothing, ("io_stall",), np.zeros((1, 1), np.float32)
    )
    tick = Tick(forecast, None, 100, 1.0, np.full(1, holds, np.float32))
    alerts.look(Frame(ts_ns, values, np.isfinite(values)), tick)


@pytest.mark.parametrize(
    ("seconds", "holds_at", "outcome"), [(10, None, "open"), (90, 30, "right"), (90, None, "false")]
)
def test_what_an_alert_came_to_is_told(seconds: int, holds_at: int | None, outcome: str) -> None:
    alerts = alerting()
    events = out(looming(alerts))
    for second in range(5, seconds):
        stall(alerts, second, holds=second == holds_at)
    found = made(events=events, kinds=alerts.kinds(START_NS))
    assert [(each.kind, each.outcome) for each in found.predicted] == [("io_stall", outcome)]


def test_more_than_was_counted_is_not_claimed_to_have_come() -> None:
    alerts = [EventOut(sequence=n, ts_ns=START_NS + n, kind="anomaly", severity="warning", source="model",
                       unit=None, detail="strange") for n in (1, 2, 3)]  # fmt: skip
    kind = AlertKind(
        kind="anomaly", muted=False, muted_until_ns=None, threshold=3.0, right=1, false_alarms=1,
        last_false_ns=START_NS + 3,
    )  # fmt: skip
    found = made(events=alerts, kinds=[kind])
    assert [each.outcome for each in found.predicted] == ["unknown", "right", "false"]
    assert [each.outcome for each in made(events=alerts).predicted] == ["unknown"] * 3


def test_only_alerts_are_predictions_and_only_those_of_the_time() -> None:
    events = out(
        [
            Event(START_NS - 5, "anomaly", None, "earlier", "warning", "model"),
            Event(START_NS, "unit_failed", "a.service", None, "error", "units"),
        ]
    )
    assert made(events=events).predicted == []


def change(**fields: Any) -> dict[str, Any]:
    row = {"id": "c1", "ts": START_NS, "state": "committed", "reversible": True}
    return {**row, **fields}


def test_what_stands_is_told_whenever_it_was_made() -> None:
    rows = [
        change(id="new", state="applied"),
        change(id="over", state="undone"),
        change(id="final", reversible=False),
        change(id="old", ts=START_NS - DAY_NS),
    ]
    found = made(changes=rows)
    assert [each["id"] for each in found.changes] == ["new", "over", "final"]
    assert [each["id"] for each in found.in_force] == ["new", "old"]


def test_what_a_task_brought_comes_with_its_interval() -> None:
    benefit = {"with": 0.1, "without": 0.3, "windows": 7, "interval": [0.15, 0.25]}
    task = {
        "id": "t1",
        "state": "active",
        "ended": None,
        "benefit": benefit,
        "spec": {"intent": "prioritize"},
    }
    old = {**task, "id": "t0", "state": "ended", "ended": START_NS - DAY_NS}
    (brought,) = made(tasks=[old, task]).brought
    assert (brought.task, brought.saved, brought.windows) == ("t1", (0.15, 0.25), 7)


def test_one_line_says_the_day() -> None:
    assert in_one_line(made()) == "jepa today: no alert; nothing changed."
    cost = UnitCost(
        unit="jepad.service", since_s=100.0, cpu_s=1.0, cpu_percent=1.04, memory_mib=96.4, wakeups_per_s=None
    )
    rows = [change(id="new", state="applied"), change(id="over", state="undone")]
    assert in_one_line(made(changes=rows, cost=[cost])) == (
        "jepa today: no alert; 2 changes; 1 in force now; it used 1.0 % of a core and 96 MiB."
    )


def test_a_receipt_covers_no_more_than_a_day() -> None:
    assert since(START_NS, START_NS + 5) == START_NS
    assert since(START_NS, START_NS + 25 * 3600 * SECOND) == START_NS + 3600 * SECOND


def test_the_cost_of_a_unit_is_that_of_its_group_and_of_its_processes(tmp_path: Path) -> None:
    unit = tmp_path / "sys/fs/cgroup/jepa.slice/jepad.service"
    unit.mkdir(parents=True)
    (tmp_path / "proc").symlink_to("/proc")
    assert unit_costs(tmp_path, 0.0) == [], "no control groups of version 2"
    (tmp_path / "sys/fs/cgroup/cgroup.controllers").touch()
    assert unit_costs(tmp_path, 0.0) == [], "a unit that has just ended"
    (unit / "cgroup.procs").write_text(f"{os.getpid()}\n")
    (unit / "cpu.stat").write_text("usage_usec 5000000\nuser_usec 4000000\n")
    (unit / "memory.current").write_text(f"{3 * 2**20}\n")
    (unit.parent / "other.service").mkdir()
    now_s = time.clock_gettime(time.CLOCK_BOOTTIME)
    (cost,) = unit_costs(tmp_path, now_s)
    assert (cost.unit, cost.cpu_s, cost.memory_mib) == ("jepad.service", 5.0, 3.0)
    assert 0 < cost.since_s < now_s
    assert cost.cpu_percent == pytest.approx(500 / cost.since_s)
    assert cost.wakeups_per_s is not None
    assert cost.wakeups_per_s > 0
