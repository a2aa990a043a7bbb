# SPDX-License-Identifier: Apache-2.0
"""The channel schema that ships is sound, and a broken one is refused with the entry named."""

from pathlib import Path

import pytest

from jepa.errors import JepaError
from jepa.telemetry.schema import load_schema

GOOD = """
version = 1
[[channel]]
name = "a.b"
unit = "%"
low = 0
high = 100
transform = "linear"
noise_floor = 1
source = "cpu"
description = "One."
"""


def test_shipped_channels_have_ranges_wider_than_their_noise() -> None:
    schema = load_schema()
    assert len(schema.channels) > 100
    for channel in schema.channels:
        assert channel.noise_floor < channel.high - channel.low, channel
        assert channel.description.endswith("."), channel
        if channel.unit == "%":
            assert (channel.low, channel.high) == (0, 100), channel


def test_index_is_the_place_in_names() -> None:
    schema = load_schema()
    assert [schema.index(name) for name in schema.names] == list(range(len(schema.names)))


def test_unknown_channel_names_the_near_ones() -> None:
    with pytest.raises(JepaError, match=r"system\.cpu\.utilization") as caught:
        load_schema().index("system.cpu.utilisation")
    assert caught.value.status == 404


@pytest.mark.parametrize("name", ["", "zzzz", "é" * 300])
def test_unknown_channel_without_neighbours_still_has_a_remedy(name: str) -> None:
    with pytest.raises(JepaError) as caught:
        load_schema().index(name)
    assert "jepa watch" in caught.value.remedy


def test_digest_changes_with_meaning_and_not_with_prose(tmp_path: Path) -> None:
    def digest(text: str) -> str:
        file = tmp_path / "channels.toml"
        file.write_text(text)
        return load_schema(file).digest

    original = digest(GOOD)
    assert digest(GOOD.replace("One.", "Another description.")) == original
    for old, new in [
        ("a.b", "a.c"),
        ('"%"', '"1"'),
        ("high = 100", "high = 99"),
        ("version = 1", "version = 2"),
    ]:
        assert digest(GOOD.replace(old, new)) != original, new
    assert digest(GOOD.replace("low = 0", "low = 0.0")) == original


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('name = "a.b"\n', "", "'name' is missing|name is missing"),
        ('"linear"', '"cubic"', "transform"),
        ("high = 100", "high = 0", "ascending"),
        ("high = 100", "high = inf", "ascending"),
        ("noise_floor = 1", "noise_floor = 0", "noise_floor"),
        ("noise_floor = 1", 'noise_floor = "x"', "x"),
        ("low = 0", "low = -1\n#", None),
        ('"a.b"', "7", "not a text"),
        ("version = 1", "", "version"),
        ("[[channel]]", "[channel]", "channel"),
        ("version = 1", "version =", "cannot be read"),
    ],
)
def test_a_broken_schema_is_refused(tmp_path: Path, old: str, new: str, said: str | None) -> None:
    file = tmp_path / "channels.toml"
    file.write_text(GOOD.replace(old, new))
    if said is None:
        load_schema(file)
        return
    with pytest.raises(JepaError, match=said):
        load_schema(file)


def test_a_channel_named_twice_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "channels.toml"
    file.write_text(GOOD + GOOD.replace("version = 1", ""))
    with pytest.raises(JepaError, match="twice"):
        load_schema(file)


def test_negative_range_needs_a_linear_channel(tmp_path: Path) -> None:
    file = tmp_path / "channels.toml"
    file.write_text(GOOD.replace("low = 0", "low = -1").replace("linear", "log1p"))
    with pytest.raises(JepaError, match="low >= 0"):
        load_schema(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(JepaError, match="nowhere"):
        load_schema(tmp_path / "nowhere.toml")
