# SPDX-License-Identifier: Apache-2.0
"""The assessor tells worse from usual, and a person's condition is of the mean."""

import threading
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.actions.assessor import MEANT_TO_RISE, Assessor, WatchCondition, parse_condition
from jepa.actions.channel_reader import KernelChannels, WithSignals
from jepa.errors import JepaError
from jepa.signals.published import publish
from jepa.signals.signal import SignalReading, State
from jepa.telemetry.clocks import boot_s
from tests.unit.actions.file_machine import SteppedClock

PRESSURE = "system.pressure.io.some"


class Script:
    """A reader that gives one reading after the other, and the last one for ever."""

    def __init__(self, *values: float | None, name: str = PRESSURE) -> None:
        self.values = list(values)
        self.name = name

    def read(self) -> Mapping[str, float]:
        value = self.values.pop(0) if len(self.values) > 1 else self.values[0]
        return {} if value is None else {self.name: value}

    def why_not(self, name: str) -> str:
        return ""

    def close(self) -> None:
        pass


def assess(
    reader: Script, condition: str = "", before_s: float = 5, seconds: float = 10
) -> tuple[str, dict[str, float]]:
    assessor = Assessor(reader, SteppedClock(), parse_condition(condition))
    assessor.measure_before(before_s)
    found = assessor.watch(seconds, threading.Event())
    return found.worse, dict(found.observed)


def test_a_machine_at_rest_stays_so() -> None:
    assert assess(Script(0.0)) == ("", {PRESSURE: 0.0})


def test_a_rise_beyond_three_sigma_is_worse() -> None:
    calm = [10.0, 8.0, 12.0, 9.0, 11.0, 10.0]
    assert not assess(Script(*calm, 14.0))[0]
    assert assess(Script(*calm, 30.0))[0] == f"{PRESSURE} rose from 10.0 to 30.0"


def test_one_spike_is_not_worse_and_a_fall_is_none() -> None:
    assert not assess(Script(*[5.0] * 8, 20.0, 5.0))[0]
    assert not assess(Script(*[90.0] * 6, 0.0))[0]


def test_a_machine_that_varies_much_is_allowed_to() -> None:
    assert not assess(Script(*[0.0, 40.0] * 3, 45.0))[0]


def test_what_was_before_the_change_is_no_part_of_what_came_after() -> None:
    assert assess(Script(*[1.0] * 6, 90.0, 1.0)) == ("", {PRESSURE: 1.0})


def test_channels_that_vanish_or_appear_are_not_judged() -> None:
    assert not assess(Script(*[1.0] * 6, None))[0]
    assert not assess(Script(*[None] * 6, 90.0))[0]


def test_a_channel_that_says_how_much_is_done_is_not_judged_by_itself() -> None:
    assert not assess(Script(*[1.0] * 6, 90.0, name="system.cpu.utilization"))[0]


def test_what_an_action_is_meant_to_raise_is_not_judged_but_the_foreground_is() -> None:
    class Both(Script):
        def read(self) -> Mapping[str, float]:
            value = super().read()[self.name]
            return {"system.pressure.cpu.some": value, "system.role.foreground.pressure.cpu": self.waits}

        waits = 1.0

    def judged(reader: Both, action: str) -> str:
        assessor = Assessor(reader, SteppedClock(), None, MEANT_TO_RISE.get(action, ()))
        assessor.measure_before(5)
        reader.waits *= 40 if reader.waits == 2.0 else 1
        return assessor.watch(10, threading.Event()).worse

    calm = Both(*[1.0] * 6, 60.0)
    assert judged(calm, "cpu.max") == ""
    assert "system.pressure.cpu.some rose" in judged(Both(*[1.0] * 6, 60.0), "memory.high")
    calm = Both(1.0)
    calm.waits = 2.0
    assert judged(calm, "cpu.max") == "system.role.foreground.pressure.cpu rose from 2.0 to 80.0"


def test_the_condition_is_of_the_mean() -> None:
    assert not assess(Script(*[1.0] * 8, 9.0, 1.0), f"{PRESSURE} below 3")[0]
    assert "was 1.8, not below 1.5" in assess(Script(*[1.0] * 8, 9.0, 1.0), f"{PRESSURE} below 1.5")[0]
    assert "not above 2" in assess(Script(1.0), f"{PRESSURE} above 2")[0]
    assert "could not be read" in assess(Script(*[1.0] * 7, None), f"{PRESSURE} below 3")[0]
    with pytest.raises(JepaError, match="not read here"):
        assess(Script(1.0), "system.nothing below 3")


class Shop(WithSignals):
    """Signals off a real file that says one reading after the other."""

    def __init__(self, path: Path, *readings: SignalReading) -> None:
        super().__init__(Script(1.0), path)
        self.readings = list(readings)
        self.path = path

    def read(self) -> Mapping[str, float]:
        reading = self.readings.pop(0) if len(self.readings) > 1 else self.readings[0]
        publish(self.path, {"p99": "file:/p99"}, {"p99": reading}, boot_s())
        return super().read()


def judged_by_signal(reader: Shop, condition: str) -> str:
    assessor = Assessor(reader, SteppedClock(), parse_condition(condition))
    assessor.measure_before(5)
    return assessor.watch(10, threading.Event()).worse


def test_a_signal_decides_whether_a_change_stays(tmp_path: Path) -> None:
    good, bad = (Shop(tmp_path / "signals.json", SignalReading("ok", value)) for value in (0.1, 0.3))
    assert judged_by_signal(good, "p99 below 0.2") == ""
    assert judged_by_signal(bad, "p99 below 0.2") == "p99 was 0.3, not below 0.2"


@pytest.mark.parametrize("state", ["stale", "constant", "absurd", "unreachable"])
def test_a_signal_that_cannot_be_trusted_judges_nothing(state: State, tmp_path: Path) -> None:
    path, gone = tmp_path / "signals.json", SignalReading(state, 0.1, "so it is")
    with pytest.raises(JepaError, match=f"not read here: the signal is {state}: so it is"):
        judged_by_signal(Shop(path, gone), "p99 below 0.2")
    stops = Shop(path, *[SignalReading("ok", 0.1)] * 14, gone)
    assert judged_by_signal(stops, "p99 below 0.2") == (
        f"p99 could not be read: the signal is {state}: so it is"
    )


def test_watching_ends_when_it_is_cancelled() -> None:
    cancelled, clock = threading.Event(), SteppedClock()
    cancelled.set()
    assessor = Assessor(Script(1.0), clock)
    assessor.watch(1000, cancelled)
    assert clock.boottime_s() < 1100


@pytest.mark.parametrize(
    "text", ["x", "x below", "x beside 5", "x below five", "x below 5 above 3", "below 5"]
)
def test_what_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises(JepaError, match="is no condition"):
        parse_condition(text)


@given(st.text(max_size=40))
def test_any_text_is_a_condition_none_or_refused(text: str) -> None:
    try:
        found = parse_condition(text)
    except JepaError:
        return
    assert found is None or isinstance(found, WatchCondition)


def test_conditions_are_read() -> None:
    assert parse_condition("") is None
    assert parse_condition("system.cpu.utilization below 90") == WatchCondition(
        "system.cpu.utilization", False, 90
    )
    assert parse_condition(" a  above -1.5 % ") == WatchCondition("a", True, -1.5)


def test_this_machines_pressure_and_utilization_are_read() -> None:
    reader, clock = KernelChannels(), SteppedClock()
    assessor = Assessor(reader, clock, parse_condition("system.memory.utilization above 0"))
    assert assessor.watch(3, threading.Event()).worse == ""
