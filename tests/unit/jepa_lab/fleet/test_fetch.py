# SPDX-License-Identifier: Apache-2.0
"""A part comes here only as its machine has signed it, also when the store was away for a while."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from jepa.errors import JepaError
from jepa.fleet.keys import OwnerKey
from jepa.fleet.manifest import MOST_FRAMES, FileName, SentFile, StoredRecording
from jepa.fleet.spool import Spool
from jepa.fleet.store import Store
from jepa.telemetry import parquet
from jepa.telemetry.recording import load_recording
from jepa_lab.fleet.fetch import fetch
from jepa_lab.fleet.survey import Host, survey
from tests.unit.fleet.machines import NOON_NS, SCHEMA, Clock, a_recording, owner_in, put, store_in, uploader


@pytest.fixture
def sent(tmp_path: Path) -> tuple[Store, Host]:
    owner: OwnerKey = owner_in(tmp_path / "keys")
    store, spool = store_in(tmp_path / "store"), Spool(tmp_path / "spool")
    put(spool, a_recording())
    uploader(spool, store, owner.fleet).run()
    (host,) = survey(store, owner, SCHEMA, NOON_NS * 2).hosts
    (tmp_path / "into").mkdir()
    return store, host


def test_it_is_the_recording(tmp_path: Path, sent: tuple[Store, Host]) -> None:
    store, host = sent
    fetch(store, host.host, host.parts[0], tmp_path / "into", Clock())
    np.testing.assert_array_equal(load_recording(tmp_path / "into", SCHEMA).values, a_recording().values)


def test_an_altered_one_does_not_come(tmp_path: Path, sent: tuple[Store, Host]) -> None:
    store, host = sent
    file = tmp_path / "store/hosts" / host.host / host.parts[0].name / "frames.parquet"
    file.write_bytes(file.read_bytes()[::-1])
    with pytest.raises(JepaError, match="was altered"):
        fetch(store, host.host, host.parts[0], tmp_path / "into", Clock())
    file.unlink()
    with pytest.raises(JepaError, match="not in the store"):
        fetch(store, host.host, host.parts[0], tmp_path / "into", Clock())


def in_place_of(file: Path, part: StoredRecording, rows: int, columns: int) -> StoredRecording:
    """``part`` as if its machine had signed ``file`` with so many zeros in it."""
    zeros = np.zeros(rows, np.float32)
    parquet.write_columns(
        file, {"ts": np.zeros(rows, np.int64), **{str(n): zeros for n in range(columns - 1)}}
    )
    content = file.read_bytes()
    sums = SentFile(size=len(content), sha256=hashlib.sha256(content).hexdigest())
    files: dict[FileName, SentFile] = {
        name: sums if name == file.name else sent for name, sent in part.files.items()
    }
    return replace(part, files=files)


@pytest.mark.parametrize(
    ("name", "rows", "columns", "said"),
    [
        ("frames.parquet", MOST_FRAMES + 1, 2, "has 200001 rows of 2 columns"),
        ("events.parquet", MOST_FRAMES + 1, 2, "has 200001 rows of 2 columns"),
        ("frames.parquet", 20, 1001, "has 20 rows of 1001 columns"),
        ("frames.parquet", 21, 2, "has 21 frames instead of 20"),
    ],
)
def test_zeros_that_take_few_bytes_are_not_read(
    tmp_path: Path, sent: tuple[Store, Host], name: str, rows: int, columns: int, said: str
) -> None:
    store, host = sent
    file = tmp_path / "store/hosts" / host.host / host.parts[0].name / name
    part = in_place_of(file, host.parts[0], rows, columns)
    with pytest.raises(JepaError, match=said):
        fetch(store, host.host, part, tmp_path / "into", Clock())


class Returning(Clock):
    """While it is slept on for the third time, the store comes back."""

    def __init__(self, back: Callable[[], object]) -> None:
        super().__init__()
        self._back = back

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        if len(self.slept) == 3:
            self._back()


def test_a_store_that_comes_back_is_waited_for(tmp_path: Path, sent: tuple[Store, Host]) -> None:
    store, host = sent

    class Away(Store):
        here = False

        def read(self, path: str, most: int) -> bytes:
            if not self.here:
                raise JepaError("It cannot be reached.", "", status=503)
            return super().read(path, most)

    away = Away(store.address)
    clock = Returning(lambda: setattr(away, "here", True))
    fetch(away, host.host, host.parts[0], tmp_path / "into", clock)
    assert (tmp_path / "into/frames.parquet").exists()
    away.here = False
    with pytest.raises(JepaError, match="cannot be reached"):
        fetch(away, host.host, host.parts[0], tmp_path / "into", Clock())
