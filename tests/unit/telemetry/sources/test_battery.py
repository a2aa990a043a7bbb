# SPDX-License-Identifier: Apache-2.0
"""Batteries count by the energy they hold, whatever their driver tells, and only those of the machine."""

import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.telemetry.sources.battery import Batteries, BatterySample, charge, watts


def battery(folder: Path, name: str, **files: object) -> Path:
    path = folder / "power_supply" / name
    path.mkdir(parents=True)
    for file, text in {"type": "Battery", **files}.items():
        (path / file).write_text(f"{text}\n")
    return path


def read(folder: Path) -> list[BatterySample]:
    batteries = Batteries(folder)
    batteries.scan()
    return batteries.read(1.0)


@pytest.mark.parametrize(
    ("files", "percent"),
    [
        ({"capacity": 80, "energy_now": 1, "energy_full": 2}, 80),
        ({"energy_now": 20_000_000, "energy_full": 50_000_000}, 40),
        ({"charge_now": 1_000_000, "charge_full": 4_000_000}, 25),
        ({"capacity": 104}, 100),
        ({"capacity": 0, "energy_full": 0}, None),
        ({"capacity": "garbage"}, None),
    ],
)
def test_charge_from_whatever_the_driver_tells(
    tmp_path: Path, files: dict[str, object], percent: float | None
) -> None:
    battery(tmp_path, "BAT0", **files)
    assert charge(read(tmp_path)) == percent


def test_two_batteries_count_by_what_they_hold(tmp_path: Path) -> None:
    battery(tmp_path, "BAT0", capacity=100, energy_full=10_000_000)
    battery(tmp_path, "BAT1", capacity=20, energy_full=70_000_000)
    assert charge(read(tmp_path)) == pytest.approx(30)


def test_where_one_does_not_tell_its_size_each_counts_alike(tmp_path: Path) -> None:
    battery(tmp_path, "BAT0", capacity=100, energy_full=10_000_000)
    battery(tmp_path, "BAT1", capacity=20)
    assert charge(read(tmp_path)) == pytest.approx(60)


def test_while_one_does_not_answer_there_is_no_total_and_nobody_waits(tmp_path: Path) -> None:
    battery(tmp_path, "BAT0", capacity=100)
    stuck = battery(tmp_path, "BAT1", capacity=20) / "capacity"
    stuck.unlink()
    os.mkfifo(stuck)  # whoever opens it waits until somebody writes
    batteries = Batteries(tmp_path)
    batteries.scan()
    begin = time.monotonic()
    for now in range(1, 59):
        assert batteries.read(float(now)) == []
    assert time.monotonic() - begin < 2
    assert batteries.left_out == "BAT1 (does not answer)"
    writer = os.open(stuck, os.O_WRONLY)
    stuck.unlink()
    stuck.write_text("20\n")
    os.close(writer)
    while not batteries.read(90.0):
        assert time.monotonic() - begin < 10, "it answers again and is not asked"
    batteries.scan()
    assert charge(batteries.read(91.0)) == 60
    batteries.close()


def test_peripherals_and_empty_bays_are_not_the_machines(tmp_path: Path) -> None:
    battery(tmp_path, "BAT0", capacity=50)
    battery(tmp_path, "BAT1", capacity=0, present=0)
    battery(tmp_path, "hidpp_battery_0", capacity=5, scope="Device")
    battery(tmp_path, "ups", type="UPS", capacity=99)
    old = tmp_path / "devices/0005:054C:09CC.0002/power_supply/pad"
    old.mkdir(parents=True)
    (old / "type").write_text("Battery\n")
    (old / "capacity").write_text("7\n")
    (tmp_path / "power_supply/pad").symlink_to(old)
    assert charge(read(tmp_path)) == 50


def test_an_attribute_that_cannot_be_read_leaves_the_rest(tmp_path: Path) -> None:
    path = battery(tmp_path, "BAT0", energy_now=10, energy_full=40, power_now=7_000_000)
    (path / "capacity").mkdir()
    samples = read(tmp_path)
    assert (charge(samples), watts(samples)) == (25, 7)


@pytest.mark.parametrize(("status", "drawn"), [("Discharging", 7.5), ("Charging", None), ("Full", None)])
def test_what_flows_into_a_battery_is_not_drawn_from_it(
    tmp_path: Path, status: str, drawn: float | None
) -> None:
    battery(tmp_path, "BAT0", power_now=7_500_000, status=status)
    assert watts(read(tmp_path)) == drawn


numbers = st.none() | st.integers(0, 2**64 - 1)


@given(st.lists(st.builds(BatterySample, *[numbers] * 8, st.booleans()), max_size=3))
def test_any_numbers(samples: list[BatterySample]) -> None:
    percent = charge(samples)
    assert percent is None or 0 <= percent <= 100 + 1e-6
