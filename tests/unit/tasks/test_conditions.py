# SPDX-License-Identifier: Apache-2.0
"""A condition holds once it was so for a while, and what nobody can watch is refused by its name."""

import time
from typing import Any

import pytest

from jepa.errors import JepaError
from jepa.tasks.conditions import OFF_S, ON_S, WatchedCondition, check_condition, in_words

DAY = int(time.mktime((2026, 11, 30, 12, 0, 0, 0, 0, -1)))


class Seen:
    """What is seen of a machine, as a test says."""

    def __init__(self) -> None:
        self.battery = False
        self.units: dict[str, bool | None] = {}
        self.means: dict[str, float] = {}
        self.at = DAY

    def on_battery(self) -> bool:
        return self.battery

    def failed(self, unit: str) -> bool | None:
        return self.units.get(unit)

    def mean(self, channel: str, over_s: float) -> float | None:
        return self.means.get(channel)

    def wall_ns(self) -> int:
        return self.at * 1_000_000_000


def spec(kind: str, intent: str = "power", **more: Any) -> dict[str, Any]:
    return {"intent": intent, "condition": {"kind": kind, **more}}


def holds(wanted: dict[str, Any], seen: Seen) -> bool:
    condition = WatchedCondition(wanted, seen, DAY * 1_000_000_000)
    return condition.look(0.0) is True


def test_it_holds_and_is_over_only_when_that_was_so_for_a_while() -> None:
    seen = Seen()
    condition = WatchedCondition(spec("on_battery"), seen, 0)
    now, said = 0.0, []
    for battery, seconds in (
        (False, 5),
        (True, 2),
        (False, 5),
        (True, 10),
        (False, 9),
        (True, 3),
        (False, 20),
    ):
        seen.battery = battery
        for _ in range(seconds):
            said.append(condition.look(now))
            now += 1.0
    assert said[:12] == [False] * 12, "two seconds on battery are a loose plug"
    began, over = said.index(True), len(said) - 1 - said[::-1].index(True)
    assert (began, over) == (12 + ON_S, 34 + OFF_S - 1), "and nine seconds off it are none either"


@pytest.mark.parametrize(
    ("wanted", "means", "expected"),
    [
        (spec("above", resource="memory", value=90, unit="%"), {"system.memory.utilization": 93.0}, True),
        (spec("above", resource="memory", value=90, unit="%"), {"system.memory.utilization": 80.0}, False),
        (spec("below", resource="memory", value=10, unit="%"), {"system.memory.utilization": 93.0}, True),
        (spec("below", resource="disk", value=10, unit="%"), {"system.filesystem.utilization": 50.0}, False),
        (spec("below", resource="power", value=20, unit="%"), {"hw.battery.charge": 12.0}, True),
        (
            spec("above", resource="network", value=5, unit="MiB/s"),
            {"system.network.io.receive": 4096.0, "system.network.io.transmit": 2048.0},
            True,
        ),
        (
            spec("above", resource="cpu", value=50, unit="%", targets=["background"]),
            {"system.role.background.cpu": 60.0, "system.cpu.utilization": 10.0},
            True,
        ),
        (spec("above", resource="temperature", value=80, unit="°C"), {"hw.temperature": 91.0}, True),
        (spec("idle"), {"system.cpu.utilization": 4.0}, True),
        (spec("idle"), {"system.cpu.utilization": 40.0}, False),
    ],
)
def test_values_are_those_that_people_mean(
    wanted: dict[str, Any], means: dict[str, float], expected: bool
) -> None:
    seen = Seen()
    seen.means = means
    assert holds(wanted, seen) is expected


def test_what_cannot_be_seen_leaves_it_as_it_was() -> None:
    seen = Seen()
    nothing = WatchedCondition({"intent": "watch", "targets": ["a.service"]}, seen, 0)
    assert [nothing.look(later) for later in (0.0, 100.0)] == [None, None]
    seen.units = {"a.service": True}
    condition = WatchedCondition({"intent": "watch", "targets": ["a.service"]}, seen, 0)
    assert condition.look(0.0) is True, "what is so at the first look counts at once"
    seen.units = {}
    assert [condition.look(ON_S + later) for later in (1.0, 100.0)] == [True, True]
    assert condition.unknown
    seen.units = {"a.service": False}
    assert (condition.look(200.0), condition.look(200.0 + OFF_S)) == (True, False)


def test_a_time_of_day_is_the_next_one_and_holds_from_then_on() -> None:
    seen = Seen()
    for at, hours in (("13:30", 1.5), ("11:00", 23.0)):
        for offset, expected in ((-60, False), (60, True), (3 * 86400, True)):
            seen.at = int(DAY + hours * 3600 + offset)
            assert holds(spec("time", at=at), seen) is expected, (at, offset)
    nightly = spec("time", at="22:00", to="06:00")
    for hours, expected in ((0, False), (11, True), (17, True), (18.1, False), (35, True)):
        seen.at = int(DAY + hours * 3600)  # from noon on
        assert holds(nightly, seen) is expected, hours
    assert in_words(nightly) == "it is between 22:00 and 06:00"
    seen.at = DAY + 599
    assert not holds(spec("time", after="PT10M"), seen)
    seen.at = DAY + 600
    assert holds(spec("time", after="PT10M"), seen)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"intent": "watch"}, "what is to be watched"),
        ({"intent": "watch", "resource": "temperature"}, "what is to be watched"),
        (spec("plugged", "watch", targets=["usb stick"]), "plugged usb stick"),
        (spec("idle", targets=["web.service"]), "idle web.service"),
        (spec("failed", "power"), "whose failure"),
        (spec("above", resource="memory"), "which value"),
        (spec("above", resource="memory", value=True, unit="%"), "which value"),
        (spec("above", resource="gpu", value=9, unit="%"), "gpu in % is not watched"),
        (spec("above", resource="memory", value=3, unit="cores"), "memory in cores"),
        (spec("above", resource="cpu", value=9, unit="%", targets=["web.service"]), "web.service"),
        (spec("time", at="25:00"), "25:00"),
        (spec("time", at="22:00", to="late"), "late"),
        (spec("time", to="22:00"), "None is no time"),
        (spec("time"), "no time of day"),
    ],
)
def test_what_nobody_can_watch_is_refused(wanted: dict[str, Any], said: str) -> None:
    with pytest.raises(JepaError, match="Conditions are on battery") as error:
        check_condition(wanted)
    assert said in error.value.problem


def test_a_condition_is_said_in_words() -> None:
    assert (
        in_words({"intent": "watch", "targets": ["a.service", "b.service"]})
        == "a.service or b.service fails"
    )
    assert (
        in_words(spec("below", resource="disk", value=10.0, unit="%"))
        == "what is left of disk is below 10 %"
    )
    assert in_words(spec("on_battery")) == "the machine runs on battery"
    assert in_words({"intent": "limit"}) == ""
