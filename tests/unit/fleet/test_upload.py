# SPDX-License-Identifier: Apache-2.0
"""Every part reaches the store once, whatever breaks off in between, and without a name in it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from jepa.errors import JepaError
from jepa.fleet.keys import OwnerKey
from jepa.fleet.manifest import LARGEST, DayManifest, checked
from jepa.fleet.spool import Spool
from jepa.fleet.store import PATIENCE_S, Store, StoredFile
from jepa.fleet.upload import manifest_path
from jepa.telemetry import parquet
from jepa.telemetry.recording import load_recording
from tests.unit.fleet.machines import (
    NOON_NS,
    PERSON,
    SCHEMA,
    UNIT,
    Clock,
    a_recording,
    nobody,
    owner_in,
    put,
    store_in,
    uploader,
)

DAY = "2026-11-29"
HOUR_NS = 3600 * 10**9


@pytest.fixture
def owner(tmp_path: Path) -> OwnerKey:
    return owner_in(tmp_path / "keys")


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return store_in(tmp_path / "store")


def manifest(store: Store, owner: OwnerKey, day: str = DAY) -> DayManifest:
    (path,) = [each.path for each in store.find("") if each.path.endswith(f"{day}.manifest")]
    return checked(store.read(path, LARGEST), owner.fleet)


def files(store: Store) -> list[StoredFile]:
    return [each for each in store.find("") if not each.path.endswith(".manifest")]


def test_parts_are_sent_and_deleted_here(
    tmp_path: Path, spool: Spool, store: Store, owner: OwnerKey
) -> None:
    recordings = [a_recording(NOON_NS + n * HOUR_NS, seed=n) for n in range(2)]
    for each in recordings:
        put(spool, each)
    report = uploader(spool, store, owner.fleet).run()
    assert (len(report.sent), report.waiting, report.refused, report.fault) == (2, 0, [], None)
    said = manifest(store, owner)
    assert [part.name for part in said.parts] == report.sent
    assert {each.path for each in files(store)} == {
        f"hosts/{said.host}/{part.name}/{file}" for part in said.parts for file in part.files
    }
    folder = tmp_path / "store/hosts" / said.host
    for part, recording in zip(said.parts, recordings, strict=True):
        again = load_recording(folder / part.name, SCHEMA)
        np.testing.assert_array_equal(again.values, recording.values)
        np.testing.assert_array_equal(again.ts_ns, recording.ts_ns)
        assert part.levels[SCHEMA.names[0]] == pytest.approx(np.median(recording.values[:, 0]), rel=1e-4)
        assert SCHEMA.names[3] not in part.levels


def test_no_name_is_in_the_store_and_the_owner_knows_them_all(
    spool: Spool, store: Store, owner: OwnerKey
) -> None:
    put(spool, a_recording())
    uploader(spool, store, owner.fleet).run()
    for each in store.find(""):
        content = store.read(each.path, LARGEST)
        for name in (UNIT, PERSON, "alice"):
            assert name.encode() not in content, each.path
    table = json.loads(owner.unseal(manifest(store, owner).sealed))
    assert set(table.values()) == {UNIT, PERSON}


def test_the_same_part_twice_is_sent_once(spool: Spool, store: Store, owner: OwnerKey) -> None:
    put(spool, a_recording())
    put(spool, a_recording())
    first = uploader(spool, store, owner.fleet).run()
    put(spool, a_recording())
    second = uploader(spool, store, owner.fleet).run()
    assert (len(first.sent), second.sent, second.sent_bytes, second.waiting) == (1, [], 0, 0)
    assert len(manifest(store, owner).parts) == 1


class Stopping(Exception):
    """The power went."""


class Broken(Store):
    """A store during whose write number ``at`` the machine stops, before or after it is done."""

    def __init__(self, store: Store, at: int, after: bool) -> None:
        super().__init__(store.address)
        self._at_write, self._after, self._writes = at, after, 0

    def write(self, path: str, content: bytes) -> None:
        self._writes += 1
        stops = self._writes == self._at_write
        if stops and not self._after:
            raise Stopping
        super().write(path, content)
        if stops:
            raise Stopping


@pytest.mark.parametrize(  # of the writes of two parts of four files, and then the manifest
    ("at", "after"), [(3, True), (8, True), (9, False)]
)
def test_a_crash_at_any_write_loses_nothing_and_sends_nothing_twice(
    spool: Spool, store: Store, owner: OwnerKey, at: int, after: bool
) -> None:
    for n in range(2):
        put(spool, a_recording(NOON_NS + n * HOUR_NS, seed=n))
    with pytest.raises(Stopping):
        uploader(spool, Broken(store, at, after), owner.fleet).run()
    before = {each.path for each in files(store)}
    report = uploader(spool, store, owner.fleet).run()
    assert (report.waiting, report.fault) == (0, None)
    said = manifest(store, owner)
    whole = {f"hosts/{said.host}/{part.name}/{file}" for part in said.parts for file in part.files}
    assert len(said.parts) == 2
    assert whole == {each.path for each in files(store)}
    assert before <= whole
    sizes = {f"hosts/{said.host}/{p.name}/{f}": sent.size for p in said.parts for f, sent in p.files.items()}
    assert report.sent_bytes == sum(size for path, size in sizes.items() if path not in before)


class Mounting(Clock):
    """While it is slept on, something happens once so many seconds have passed."""

    def __init__(self, after_s: float, then: Callable[[], object]) -> None:
        super().__init__()
        self._at = self.monotonic() + after_s
        self._then: Callable[[], object] | None = then

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        if self._then is not None and self.monotonic() >= self._at:
            self._then()
            self._then = None


def test_a_store_that_is_away_for_a_minute_costs_nothing(
    tmp_path: Path, spool: Spool, store: Store, owner: OwnerKey
) -> None:
    put(spool, a_recording())
    away = tmp_path / "away"
    (tmp_path / "store").rename(away)
    clock = Mounting(60, lambda: away.rename(tmp_path / "store"))
    report = uploader(spool, store, owner.fleet, clock).run()
    assert (len(report.sent), report.waiting, report.fault) == (1, 0, None)
    assert len(manifest(store, owner).parts) == 1


def test_a_store_that_goes_in_the_middle_for_a_minute_has_all_and_nothing_twice(
    tmp_path: Path, spool: Spool, store: Store, owner: OwnerKey
) -> None:
    for n in range(2):
        put(spool, a_recording(NOON_NS + n * HOUR_NS, seed=n))
    place, away = tmp_path / "store", tmp_path / "away"
    asked: list[str] = []
    written: list[str] = []

    class Going(Store):
        def write(self, path: str, content: bytes) -> None:
            if len(asked) == 2:
                place.rename(away)
            asked.append(path)
            super().write(path, content)
            written.append(path)

    clock = Mounting(60, lambda: away.rename(place))
    report = uploader(spool, Going(store.address), owner.fleet, clock).run()
    assert sum(clock.slept) >= 60
    assert len(asked) > len(written)
    assert (len(report.sent), report.waiting, report.lost, report.fault) == (2, 0, 0, None)
    assert len(written) == len(set(written))
    assert {each.path for each in files(store)} <= set(written)
    assert len(manifest(store, owner).parts) == 2


def test_a_store_that_stays_away_is_named_and_all_is_kept(
    tmp_path: Path, spool: Spool, store: Store, owner: OwnerKey
) -> None:
    folder = put(spool, a_recording())
    shutil.rmtree(tmp_path / "store")
    clock = Clock()
    report = uploader(spool, store, owner.fleet, clock).run()
    assert report.fault is not None
    assert "cannot be reached" in report.fault
    assert report.waiting == 1
    assert folder.exists()
    assert sum(clock.slept) <= PATIENCE_S


def test_a_store_without_rights_is_named_and_all_is_sent_once_it_has_them(
    tmp_path: Path, owner: OwnerKey
) -> None:
    with nobody(tmp_path):
        spool, store = Spool(tmp_path / "spool"), store_in(tmp_path / "store")
        folder = put(spool, a_recording())
        (tmp_path / "store").chmod(0o500)
        clock = Clock()
        report = uploader(spool, store, owner.fleet, clock).run()
        assert report.fault is not None
        assert "refuses hosts/" in report.fault
        assert (report.waiting, report.refused, clock.slept) == (1, [], [])  # not asked again and again
        assert folder.exists()
        (tmp_path / "store").chmod(0o700)
        again = uploader(spool, store, owner.fleet).run()
        assert (len(again.sent), again.waiting, again.fault) == (1, 0, None)


def test_no_faster_than_allowed(spool: Spool, store: Store, owner: OwnerKey) -> None:
    put(spool, a_recording())
    clock = Clock()
    report = uploader(spool, store, owner.fleet, clock, rate=1000).run()
    assert sum(clock.slept) == pytest.approx(report.sent_bytes / 1000)


def test_what_can_never_be_sent_is_put_aside_and_the_rest_goes(
    spool: Spool, store: Store, owner: OwnerKey
) -> None:
    damaged = put(spool, a_recording(seed=2))
    (damaged / "frames.parquet").write_bytes(b"no Parquet")
    zeros = put(spool, a_recording(NOON_NS + 1, seed=3))
    with (zeros / "frames.parquet").open("wb") as file:
        file.truncate(10 << 30)
    put(spool, a_recording(NOON_NS - 100 * 24 * HOUR_NS, seed=4))
    odd = put(spool, a_recording(NOON_NS + 2, seed=6))
    parquet.write_rows(
        odd / "actions.parquet", dict.fromkeys(("ts", "action", "args"), "VARCHAR"), [("a", "b", "{")]
    )
    put(spool, a_recording(seed=5))
    report = uploader(spool, store, owner.fleet).run()
    assert (len(report.sent), report.waiting, report.fault) == (1, 0, None)
    assert len(report.refused) == 4
    assert "older than 60 days" in report.refused[0]
    assert len(list((spool.state / "refused").iterdir())) == 4


def test_two_do_not_send_at_once(spool: Spool, store: Store, owner: OwnerKey) -> None:
    with spool.locked(), pytest.raises(JepaError, match="Another process"):
        uploader(spool, store, owner.fleet).run()


def test_a_second_run_adds_to_the_manifest_of_the_day(spool: Spool, store: Store, owner: OwnerKey) -> None:
    for n in range(2):
        put(spool, a_recording(NOON_NS + n * HOUR_NS, seed=n))
        uploader(spool, store, owner.fleet).run()
    put(spool, a_recording(NOON_NS + 24 * HOUR_NS, seed=9))
    uploader(spool, store, owner.fleet, Clock(NOON_NS + 25 * HOUR_NS)).run()
    assert len(manifest(store, owner).parts) == 2
    tomorrow = manifest(store, owner, "2026-11-30")
    assert len(tomorrow.parts) == 1
    assert store.size(manifest_path(tomorrow.host, DAY)) is not None
