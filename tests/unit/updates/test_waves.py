# SPDX-License-Identifier: Apache-2.0
"""Which wave a machine belongs to: shares as promised, always the same, each in all later ones."""

import uuid
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.errors import JepaError
from jepa.updates.waves import WAVES, followed, position, wave_at

SETTINGS = "etc/jepa/packs.toml"
MACHINE = "0123456789abcdef0123456789abcdef"
machine_ids = st.uuids().map(lambda each: each.hex)


def fleet(size: int, kind: str) -> list[float]:
    return [position(uuid.UUID(int=number * 7919 + 1).hex, kind) for number in range(size)]


@pytest.mark.parametrize("kind", ["packs", "system"])
def test_waves_have_the_sizes_that_are_promised(kind: str) -> None:
    """Of 20,000 machines, even with IDs in a row; four deviations of a binomial are let be."""
    places = fleet(20_000, kind)
    for name, share in WAVES.items():
        reached = sum(1 for place in places if place < share)
        assert abs(reached - share * len(places)) <= 4 * (len(places) * share * (1 - share)) ** 0.5, name


@given(machine_ids)
def test_who_is_in_a_wave_is_in_every_later_one(machine_id: str) -> None:
    place = position(machine_id, "packs")
    reached = [place < share for share in WAVES.values()]
    assert reached == sorted(reached)
    assert reached[-1]
    assert wave_at(place) == list(WAVES)[reached.index(True)]


@given(machine_ids)
def test_a_machine_stays_where_it_is(machine_id: str) -> None:
    assert position(machine_id, "packs") == position(f"{machine_id}\n", "packs")


def test_waves_of_packs_and_of_the_system_are_of_different_machines() -> None:
    packs, system = fleet(20_000, "packs"), fleet(20_000, "system")
    both = sum(1 for one, other in zip(packs, system, strict=True) if one < 0.1 and other < 0.1)
    assert 140 <= both <= 260, "a tenth of a tenth, as chance has it"


def written(root: Path, text: str, machine_id: str | None = MACHINE) -> Path:
    (root / SETTINGS).parent.mkdir(parents=True)
    (root / SETTINGS).write_text(text)
    if machine_id is not None:
        (root / "etc/machine-id").write_text(f"{machine_id}\n")
    return root


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ('source = "https://a/b/"', "https://a/b/"),
        ('source = "https://a/b/"\nwave = "canary"', "https://a/b/canary"),
        ('source = "https://a/b"\nwave = "all"', "https://a/b/all"),
        ('source = "https://a/b"\nwave = "auto"', f"https://a/b/{wave_at(position(MACHINE, 'packs'))}"),
    ],
)
def test_the_settings_say_which_channel_is_followed(text: str, address: str, tmp_path: Path) -> None:
    assert followed(written(tmp_path, text), SETTINGS, "packs") == address


def test_without_settings_none_is_followed(tmp_path: Path) -> None:
    assert followed(tmp_path, SETTINGS, "packs") is None


@pytest.mark.parametrize(
    "text", ["", "source = 1", 'source = "a"\nwave = "first"', 'source = "a"\nwave = 1', "source ="]
)
def test_settings_that_say_nothing_are_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(JepaError, match="cannot be used"):
        followed(written(tmp_path, text), SETTINGS, "packs")


def test_a_machine_without_an_id_has_no_wave(tmp_path: Path) -> None:
    with pytest.raises(JepaError, match="no /etc/machine-id"):
        followed(written(tmp_path, 'source = "a"\nwave = "auto"', None), SETTINGS, "packs")
