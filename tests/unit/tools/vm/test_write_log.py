# SPDX-License-Identifier: Apache-2.0
"""A log of writes says what a disk may hold after a cut: all that was flushed, and any part of the rest."""

import random
import struct
from pathlib import Path

import pytest

from tools.vm.write_log import Write, WriteLog

FLUSH, FUA, DISCARD, MARK = 1, 2, 4, 8


def entry(sector: int, data: bytes = b"", flags: int = 0, sectors: int | None = None) -> bytes:
    """As blklogwrites and dm-log-writes write it."""
    head = struct.pack("<QQQQ", sector, len(data) // 512 if sectors is None else sectors, flags, 0)
    return head.ljust(512, b"\0") + data


def log(tmp_path: Path, *entries: bytes) -> WriteLog:
    head = struct.pack("<QQQI", 0x6A736677736872, 1, len(entries), 512).ljust(512, b"\0")
    (tmp_path / "log").write_bytes(head + b"".join(entries))
    return WriteLog(tmp_path / "log")


def sector(letter: bytes) -> bytes:
    return letter * 512


def test_all_that_was_flushed_stays_and_any_part_of_the_rest_may(tmp_path: Path) -> None:
    found = log(
        tmp_path, entry(0, sector(b"a")), entry(0, flags=FLUSH), *(entry(n, sector(b"b")) for n in (1, 2))
    )
    assert (len(found), found.durable(4), found.durable(1)) == (4, 2, 0)
    assert list(found.writes(0, 2)) == [Write(0, sector(b"a"))]
    left = {
        tuple(write.at // 512 for write in found.survivors(4, random.Random(seed))) for seed in range(99)
    }
    assert left == {(), (1,), (2,), (1, 2)}


def test_a_write_is_torn_between_physical_sectors_and_never_within_one(tmp_path: Path) -> None:
    data = b"".join(sector(bytes([number])) for number in range(17))
    found = log(tmp_path, entry(7, data))  # the end of one physical sector, and two whole ones
    left = {
        tuple(each.at // 512 for each in found.survivors(1, random.Random(seed))) for seed in range(3000)
    }
    assert left == {(), (7,), (8,), (16,), (7, 8), (7, 16), (8, 16), (7, 8, 16)}
    for seed in range(300):
        for write in found.survivors(1, random.Random(seed)):
            assert data[write.at - 7 * 512 :].startswith(write.data)


def test_what_bypasses_the_cache_is_always_there(tmp_path: Path) -> None:
    found = log(tmp_path, entry(1, sector(b"a")), entry(2, sector(b"b"), flags=FUA))
    for seed in range(50):
        assert Write(1024, sector(b"b")) in list(found.survivors(2, random.Random(seed)))


def test_marks_and_what_was_discarded_write_nothing(tmp_path: Path) -> None:
    mark = entry(0, flags=MARK, sectors=0) + b"begin".ljust(512, b"\0")
    found = log(tmp_path, mark, entry(4, flags=DISCARD, sectors=8), entry(5, sector(b"a")))
    assert list(found.writes(0, len(found))) == [Write(5 * 512, sector(b"a"))]


def test_sizes_of_the_log_tell_moments(tmp_path: Path) -> None:
    found = log(tmp_path, entry(0, sector(b"a")), entry(0, flags=FLUSH))
    assert [found.size_before(cut) for cut in range(3)] == [512, 1536, 2048]
    assert [found.first_after(size) for size in (512, 1535, 1536, 2048)] == [0, 0, 1, 2]
    assert (found.before_flush(0), found.before_flush(2)) == (1, 2)


def test_an_end_that_is_torn_is_left_out(tmp_path: Path) -> None:
    found = log(tmp_path, entry(0, sector(b"a")), entry(1, sector(b"b"))[:700])
    assert len(found) == 1
    found = log(tmp_path, entry(0, sector(b"a")), bytes(1024), entry(1, sector(b"b")))
    assert len(found) == 1


def test_another_file_is_no_log(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(bytes(1024))
    with pytest.raises(ValueError, match="no log of writes"):
        WriteLog(tmp_path / "log")
