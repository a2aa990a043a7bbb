# SPDX-License-Identifier: Apache-2.0
import math

import pytest

from jepa.service.api import ChannelInfo
from jepa.shell.words import choose, fit, full_name, label, quantity
from jepa.telemetry.schema import load_schema


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (41.4, "%", "41 %"),
        (0.26, "%", "0.26 %"),
        (0.0, "%", "0 %"),
        (math.nan, "%", "-"),
        (math.inf, "KiB/s", "-"),
        (12.0, "KiB/s", "12 KiB/s"),
        (2048.0, "KiB/s", "2.0 MiB/s"),
        (1023.0, "KiB/s", "1.0 MiB/s"),
        (5e12, "KiB/s", "4.66k TiB/s"),
        (1234.0, "{switch}/s", "1.23k/s"),
        (3.0, "{task}", "3.0"),
        (50.5, "Cel", "50 °C"),
    ],
)
def test_a_quantity_is_short_and_has_its_unit(value: float, unit: str, said: str) -> None:
    assert quantity(value, unit) == said


def channel(name: str) -> ChannelInfo:
    return ChannelInfo(name=name, unit="%", low=0, high=100, noise_floor=1, source="s", description="d")


def test_observed_channels_come_first_in_the_order_wanted() -> None:
    channels = [
        channel(name) for name in ("hw.power", "system.memory.utilization", "system.cpu.utilization")
    ]
    assert choose(channels, {"system.memory.utilization"}, 1) == ["system.memory.utilization"]
    assert choose(channels, set(), 5) == ["system.cpu.utilization", "system.memory.utilization"]


def test_a_schema_of_other_channels_shows_what_it_has() -> None:
    assert choose([channel("robot.arm")], set(), 3) == ["robot.arm"]


def test_short_names_go_both_ways() -> None:
    assert label("system.cpu.utilization") == "cpu"
    assert full_name("cpu") == "system.cpu.utilization"
    assert label("system.disk.wait") == "disk.wait"
    assert full_name("system.disk.wait") == full_name("disk.wait") == "system.disk.wait"
    for name in load_schema().names:
        assert full_name(label(name)) == name or " " in label(name)


def test_facts_that_do_not_fit_are_left_out() -> None:
    assert fit(["jepa", "host", "context"], 13, " | ") == "jepa | host"
