# SPDX-License-Identifier: Apache-2.0
"""Sensors come and go; what is not there is absent and said."""

import shutil
from typing import Any

import pytest

from jepa.telemetry.sources.hardware import HardwareSource
from jepa.telemetry.sources.powercap import energy_used
from jepa.telemetry.sources.sensors import parse_millidegrees


def test_hottest_sensor_package_power_and_charge(host: Any) -> None:
    source = HardwareSource(host.root)
    source.read(1.0)
    host.write("sys/class/powercap/intel-rapl:0/energy_uj", "21000000\n")
    assert source.read(3.0).values == {
        "hw.temperature": pytest.approx(61.5),
        "hw.power": pytest.approx(10),
        "hw.battery.charge": 80,
    }


def test_without_package_counters_the_battery_tells_the_power(host: Any) -> None:
    shutil.rmtree(host.root / "sys/class/powercap")
    assert HardwareSource(host.root).read(1.0).values["hw.power"] == pytest.approx(7.5)


def test_battery_that_tells_current_and_voltage_only(host: Any) -> None:
    shutil.rmtree(host.root / "sys/class/powercap")
    (host.root / "sys/class/power_supply/BAT0/power_now").unlink()
    host.write("sys/class/power_supply/BAT0/current_now", "-2000000\n")
    host.write("sys/class/power_supply/BAT0/voltage_now", "12000000\n")
    assert HardwareSource(host.root).read(1.0).values["hw.power"] == pytest.approx(24)


def test_a_virtual_machine_has_none_of_it_and_says_so(host: Any) -> None:
    shutil.rmtree(host.root / "sys/class")
    reading = HardwareSource(host.root).read(1.0)
    assert reading.values == {}
    assert reading.reason == "no temperature sensor, no power counter, no battery"


def test_a_battery_plugged_in_is_found_within_a_minute(host: Any) -> None:
    battery = host.root / "sys/class/power_supply/BAT0"
    battery.rename(host.root / "elsewhere")
    source = HardwareSource(host.root)
    assert "hw.battery.charge" not in source.read(1.0).values
    (host.root / "elsewhere").rename(battery)
    assert source.read(61.0).values["hw.battery.charge"] == 80


@pytest.mark.parametrize(
    ("before", "after", "limit", "used"),
    [(5, 9, 100, 4), (95, 5, 100, 10), (95, 5, None, None), (200, 5, 100, None), (None, 5, 100, None)],
)
def test_energy_counters_wrap(before: int | None, after: int, limit: int | None, used: int | None) -> None:
    assert energy_used(before, after, limit) == used


@pytest.mark.parametrize(
    ("text", "degrees"),
    [
        (b"45000\n", 45.0),
        (b"-5000", -5.0),
        (b"-274000", None),
        (b"999999", None),
        (b"", None),
        (b"--5", None),
    ],
)
def test_temperatures_must_be_credible(text: bytes, degrees: float | None) -> None:
    assert parse_millidegrees(text) == degrees
