# SPDX-License-Identifier: Apache-2.0
import pytest

from jepa.errors import JepaError
from jepa.service.api import ChannelInfo
from jepa.shell.channel_names import choose, full_name, label, resolve
from jepa.telemetry.schema import load_schema


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


def test_words_are_resolved_and_an_unknown_one_is_refused_with_near_ones() -> None:
    known = [channel.name for channel in load_schema().channels]
    assert resolve(["cpu", "memory.utilization"], known) == [
        "system.cpu.utilization",
        "system.memory.utilization",
    ]
    with pytest.raises(JepaError, match=r"Did you mean system.cpu.utilization"):
        resolve(["cpu", "system.cpu.utilisation"], known)
