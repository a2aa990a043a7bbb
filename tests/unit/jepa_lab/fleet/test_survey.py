# SPDX-License-Identifier: Apache-2.0
"""What is wrong in a store is named and left out, and the rest counts."""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from jepa.errors import JepaError
from jepa.fleet.keys import OwnerKey
from jepa.fleet.spool import Spool
from jepa.fleet.store import Store
from jepa.telemetry.schema import Schema
from jepa_lab.fleet.survey import Survey, survey
from tests.unit.fleet.machines import (
    NOON_NS,
    SCHEMA,
    Clock,
    a_recording,
    nobody,
    owner_in,
    put,
    store_in,
    uploader,
)

HOUR_NS = 3600 * 10**9
NOW_NS = NOON_NS + 10 * HOUR_NS


@dataclass(frozen=True)
class Fleet:
    """A store, and where machines can send to it from."""

    folder: Path
    owner: OwnerKey

    @property
    def store(self) -> Store:
        return Store((self.folder / "store").as_uri())

    def look(self, *, check: bool = False, schema: Schema = SCHEMA) -> Survey:
        return survey(self.store, self.owner, schema, NOW_NS, check=check)

    def send(
        self, machine: str, *seeds: int, at_ns: int = NOON_NS, clock_ns: int = NOON_NS + HOUR_NS
    ) -> None:
        """A recording a seed, an hour apart; the store's clock is that of a machine that is right."""
        spool = Spool(self.folder / machine)
        for place, seed in enumerate(seeds):
            put(spool, a_recording(at_ns + place * HOUR_NS, 3, seed))
        report = uploader(spool, self.store, self.owner.fleet, Clock(clock_ns)).run()
        assert report.fault is None
        for path in self.manifests:
            os.utime(path, ns=(NOON_NS + HOUR_NS, NOON_NS + HOUR_NS))

    @property
    def manifests(self) -> list[Path]:
        return sorted((self.folder / "store").rglob("*.manifest"))

    @property
    def parts(self) -> list[Path]:
        return sorted(path.parent for path in (self.folder / "store").rglob("meta.json"))


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    folder = tmp_path_factory.mktemp("fleet")
    store_in(folder / "store")
    fleet = Fleet(folder, owner_in(folder / "keys"))
    fleet.send("one", 1, 2)
    fleet.send("other", 3)
    return fleet


@pytest.fixture
def fleet(sent: Fleet, tmp_path: Path) -> Fleet:
    """Two machines that have sent three parts."""
    shutil.copytree(sent.folder / "store", tmp_path / "store")
    return Fleet(tmp_path, sent.owner)


def manifest(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_bytes().splitlines()[0])
    return content


def counts(found: Survey) -> list[int]:
    return sorted(len(host.parts) for host in found.hosts)


def test_all_is_well(fleet: Fleet) -> None:
    found = fleet.look(check=True)
    assert (counts(found), found.problems) == ([1, 2], ())
    for host in found.hosts:
        assert "secret-project.service" in host.names.values()
        assert host.hours == pytest.approx(len(host.parts) * 2 / 3600)


def test_the_level_of_a_machine_is_the_median_over_its_parts(fleet: Fleet) -> None:
    sent = {each["host"]: each["parts"] for each in map(manifest, fleet.manifests)}
    for host in fleet.look().hosts:
        names = {name for part in sent[host.host] for name in part["levels"]}
        assert names and host.levels == {
            name: median(part["levels"][name] for part in sent[host.host] if name in part["levels"])
            for name in names
        }
        assert not any(part.levels for part in host.parts)  # which would be most of what a fleet takes


def test_a_tampered_manifest_costs_its_machine_that_day(fleet: Fleet) -> None:
    file = fleet.manifests[0]
    file.write_bytes(file.read_bytes().replace(b'"frames":3', b'"frames":4'))
    found = fleet.look()
    assert len(found.hosts) == 1
    assert "was altered" in found.problems[0].what


def test_a_tampered_recording_is_found_by_its_sum(fleet: Fleet) -> None:
    file = fleet.parts[0] / "frames.parquet"
    content = bytearray(file.read_bytes())
    content[100] ^= 1
    file.write_bytes(content)
    assert sum(counts(fleet.look())) == 3  # the size is the same
    found = fleet.look(check=True)
    assert sum(counts(found)) == 2
    assert [each.what for each in found.problems] == [
        "frames.parquet was altered since the machine sent it."
    ]


def test_half_an_upload_is_named(fleet: Fleet) -> None:
    (fleet.parts[0] / "events.parquet").unlink()
    stray = fleet.parts[0].with_name("20261129T110000Z-000000000000")
    stray.mkdir()
    (stray / "frames.parquet").write_bytes(b"half")
    found = fleet.look()
    assert sum(counts(found)) == 2
    assert {each.what.split(":")[0] for each in found.problems} == {
        "events.parquet is missing",
        "No manifest names it",
    }


def test_ten_gigabytes_of_zeros_are_not_read(fleet: Fleet) -> None:
    for file in (fleet.parts[0] / "frames.parquet", fleet.manifests[-1]):
        with file.open("wb") as opened:
            opened.truncate(10 << 30)
    found = fleet.look(check=True)
    assert sum(counts(found)) < 3
    assert all(str(10 << 30) in each.what or "No manifest" in each.what for each in found.problems)
    assert len(found.problems) >= 2


def test_a_recording_of_zeros_is_left_out(fleet: Fleet) -> None:
    spool = Spool(fleet.folder / "zeros")
    recording = a_recording()
    recording.values[:] = 0
    put(spool, recording)
    uploader(spool, fleet.store, fleet.owner.fleet, Clock(NOON_NS + HOUR_NS)).run()
    found = fleet.look()
    assert counts(found) == [0, 1, 2]
    assert "It holds nothing but zeros." in [each.what for each in found.problems]


def test_the_same_part_of_two_machines_counts_once(fleet: Fleet) -> None:
    fleet.send("copy", 3)
    found = fleet.look()
    assert counts(found) in ([0, 1, 2], [0, 2, 1])
    assert ["It is the same recording as" in each.what for each in found.problems] == [True]


def test_two_parts_of_one_time_count_once(fleet: Fleet) -> None:
    fleet.send("twice", 7)
    fleet.send("twice", 8)
    found = fleet.look()
    assert counts(found) == [1, 1, 2]
    assert ["It is of a time that" in each.what for each in found.problems] == [True]


def test_a_wrong_clock_is_named(fleet: Fleet) -> None:
    fleet.send("ahead", 7, at_ns=NOON_NS + 48 * HOUR_NS, clock_ns=NOON_NS + 49 * HOUR_NS)
    fleet.send("behind", 8, at_ns=NOON_NS - 48 * HOUR_NS, clock_ns=NOON_NS - 47 * HOUR_NS)
    found = fleet.look()
    assert counts(found) == [0, 1, 1, 2]
    said = " ".join(each.what for each in found.problems)
    assert "172800 s ahead of the store's" in said
    assert "172800 s behind the store's" in said
    assert "It is from the future" in said


def test_a_machine_whose_files_may_not_be_read_is_named_and_the_rest_counts(fleet: Fleet) -> None:
    refused = fleet.manifests[0].parent
    refused.chmod(0)
    file = fleet.parts[-1] / "frames.parquet"
    file.chmod(0)
    with nobody(fleet.folder):
        found = fleet.look(check=True)
    assert len(found.hosts) == 1
    places = {each.place for each in found.problems}
    assert f"hosts/{refused.name}" in places
    assert f"hosts/{found.hosts[0].host}/{file.parent.name}" in places
    assert all("refuses" in each.what for each in found.problems)
    refused.chmod(0o700)


def test_another_schema_is_left_out(fleet: Fleet) -> None:
    found = fleet.look(schema=Schema(SCHEMA.version, SCHEMA.channels[:-1]))
    assert counts(found) == [0, 0]
    assert all("It has other channels" in each.what for each in found.problems)


def test_a_machine_of_another_fleet_is_left_out(fleet: Fleet, tmp_path: Path) -> None:
    stranger = Fleet(tmp_path, owner_in(tmp_path / "stranger"))
    stranger.send("stranger", 9)
    found = fleet.look()
    assert counts(found) == [1, 2]
    assert "has not the key of this fleet" in found.problems[0].what


def test_the_manifest_of_another_machine_in_its_place_is_left_out(fleet: Fleet) -> None:
    one, other = fleet.manifests
    shutil.copy(one, other)
    found = fleet.look()
    assert len(found.hosts) == 1
    assert "another machine or day" in found.problems[0].what


def test_a_store_that_is_away_is_no_empty_fleet(fleet: Fleet, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "store")
    with pytest.raises(JepaError, match="cannot be reached"):
        fleet.look()


def test_names_are_of_the_pseudonyms_in_the_store(fleet: Fleet) -> None:
    tables = [host.names for host in fleet.look().hosts]
    assert set(tables[0]) == set(tables[1])  # the same names have the same pseudonyms everywhere
    assert json.dumps(tables[0])
