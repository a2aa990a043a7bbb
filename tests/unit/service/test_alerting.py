# SPDX-License-Identifier: Apache-2.0
"""What alerts came to outlives a restart; kinds are muted; a state that cannot be kept is told."""

import json
from pathlib import Path

import numpy as np
import pytest

from jepa.errors import JepaError
from jepa.service.alerting import KINDS, Alerting
from jepa.telemetry.events.event import Event
from jepa.telemetry.frame import Frame
from jepa.telemetry.schema import load_schema
from jepa.world.forecast import Forecast, Tick

SCHEMA = load_schema()
MEMORY = SCHEMA.index("system.memory.utilization")
SECOND = 1_000_000_000
START_NS = 1_780_000_005 * SECOND
UP_S = 10_000.0


def leak(alerting: Alerting, start_ns: int = START_NS) -> list[Event]:
    """The alerts of ten minutes in which memory grows from 30 to 40 %, and of the minute after."""
    told = []
    for second in range(660):
        values = np.full(len(SCHEMA.names), np.nan, np.float32)
        values[MEMORY] = 30 + second / 60 if second < 600 else 30
        told += alerting.look(Frame(start_ns + second * SECOND, values, np.isfinite(values)), None)
    return told


def looming(alerting: Alerting, uptime_s: float = UP_S) -> list[Event]:
    """The alerts of a few frames before which an I/O stall is likely."""
    nothing, told = np.zeros((1, 1, 3), np.float32), []
    for second in range(5):
        values = np.full(len(SCHEMA.names), np.nan, np.float32)
        ts_ns = START_NS + second * SECOND
        probability = np.full((1, 1), 0.97, np.float32)
        forecast = Forecast(
            ts_ns, ("a",), (5,), (0.05, 0.5, 0.95), nothing, nothing, ("io_stall",), probability
        )
        tick = Tick(forecast, None, 100, 1.0, np.zeros(1, np.float32))
        told += alerting.look(Frame(ts_ns, values, np.isfinite(values)), tick)
    return told


def alerting(file: Path | None = None, uptime_s: float = UP_S) -> Alerting:
    return Alerting(SCHEMA, file, lambda: uptime_s)


def test_alerts_of_the_model_and_of_trends_are_told() -> None:
    assert [event.unit for event in looming(alerting())] == ["io_stall"]
    assert [event.unit for event in leak(alerting())] == ["memory_exhaustion"]


def test_nothing_is_predicted_in_the_first_minutes_after_a_boot() -> None:
    assert looming(alerting(uptime_s=100.0)) == []


def test_what_is_known_outlives_a_restart_even_without_a_close(tmp_path: Path) -> None:
    file = tmp_path / "state/alerts.json"
    assert len(leak(alerting(file))) == 1
    assert len(looming(alerting(file))) == 1
    again = alerting(file)
    assert looming(again) == []
    assert leak(again, START_NS + 7200 * SECOND) == []
    assert again.part(START_NS).state == "ok"
    assert not list(file.parent.glob("*.tmp"))


def test_a_muted_kind_is_not_told_and_stays_muted_over_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "alerts.json"
    first = alerting(file)
    first.mute("io_stall", None)
    first.mute("memory_exhaustion", START_NS + 86_400 * SECOND)
    again = alerting(file)
    assert looming(again) == []
    assert leak(again) == []
    assert again.muted(START_NS) == {"io_stall": None, "memory_exhaustion": START_NS + 86_400 * SECOND}
    assert again.part(START_NS).reason == "Muted: io_stall, memory_exhaustion."


def test_a_mute_ends_by_itself_or_by_hand(tmp_path: Path) -> None:
    muted = alerting()
    muted.mute("io_stall", START_NS + 100 * SECOND)
    muted.mute("anomaly", None)
    assert list(muted.muted(START_NS + 200 * SECOND)) == ["anomaly"]
    muted.unmute("anomaly")
    assert muted.muted(START_NS) == {}
    assert len(looming(muted)) == 1


def test_a_muted_kind_is_still_learned_about(tmp_path: Path) -> None:
    file = tmp_path / "alerts.json"
    muted = alerting(file)
    muted.mute("io_stall", START_NS + 3600 * SECOND)
    looming(muted)
    muted.close()
    assert json.loads(file.read_text())["alerts"]["io_stall"]["ledger"]["open_ns"] is not None


@pytest.mark.parametrize("kind", ["nonsense", "unit_failed", "", "x" * 1000])
def test_only_kinds_of_alerts_are_muted(kind: str) -> None:
    with pytest.raises(JepaError, match="no alerts of kind") as raised:
        alerting().mute(kind, None)
    assert all(each in raised.value.remedy for each in KINDS)
    with pytest.raises(JepaError, match="is not muted"):
        alerting().unmute(kind)


@pytest.mark.parametrize(
    "content",
    ["", "{}", "[]", '{"format": 9}', '{"format": 1, "alerts": {"a": {}}, "trends": {}, "muted": {}}'],
)
def test_a_damaged_file_is_told_and_written_anew(tmp_path: Path, content: str) -> None:
    file = tmp_path / "alerts.json"
    file.write_text(content)
    fresh = alerting(file)
    assert fresh.part(START_NS).state == "degraded"
    assert "cannot be read" in fresh.part(START_NS).reason
    fresh.close()
    assert fresh.part(START_NS).state == "ok"
    assert alerting(file).part(START_NS).state == "ok"


def test_a_state_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    blocked = alerting(tmp_path / "file/alerts.json")
    blocked.mute("anomaly", None)
    assert "cannot be" in blocked.part(START_NS).reason
    assert blocked.muted(START_NS) == {"anomaly": None}
