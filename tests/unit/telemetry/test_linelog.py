# SPDX-License-Identifier: Apache-2.0
"""The line log loses nothing that was written, whatever happens to the writer, the file or the disk."""

import os
import resource
import signal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.telemetry.linelog import LineLog, decode, encode, read_rows

ROWS = st.dictionaries(st.text(), st.none() | st.integers() | st.text(), max_size=4)


def filled(path: Path, count: int) -> LineLog:
    log = LineLog(path)
    for number in range(count):
        log.append({"number": number, "text": "ä\n" * 5})
    return log


def numbers(path: Path) -> list[int]:
    return [row["number"] for row in read_rows(path)]


@given(ROWS)
def test_a_row_comes_back_as_it_was_and_takes_one_line(row: dict[str, Any]) -> None:
    line = encode(row)
    assert line.count(b"\n") == 1
    assert decode(line) == row


@given(ROWS, st.integers(0, 10**6), st.integers(0, 255))
def test_a_damaged_line_is_never_another_row(row: dict[str, Any], place: int, value: int) -> None:
    line = bytearray(encode(row)[:-1])
    line[place % len(line)] = value
    assert decode(bytes(line)) in (row, None)


@given(st.binary())
def test_garbage_is_no_row(line: bytes) -> None:
    assert decode(line) is None


@pytest.mark.parametrize("cut", range(2, 40, 3))
def test_a_torn_line_costs_only_itself(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "rows"
    filled(path, 4).close()
    os.truncate(path, path.stat().st_size - cut)
    log = LineLog(path)
    log.append({"number": 9})
    assert numbers(path) == [0, 1, 2, 9]
    log.close()
    log.close()


def test_a_line_that_lacks_only_its_end_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    filled(path, 2).close()
    os.truncate(path, path.stat().st_size - 1)
    LineLog(path).append({"number": 9})
    assert numbers(path) == [0, 1, 9]


def test_a_line_for_which_there_is_no_room_leaves_nothing_of_itself(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    log = filled(path, 3)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (log.size_bytes + 5, hard))
    try:
        with pytest.raises(OSError, match=r"No space left|too large"):
            log.append({"number": 3})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    log.append({"number": 4})
    assert numbers(path) == [0, 1, 2, 4]


def test_a_killed_writer_loses_no_row_that_it_had_appended(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    child = os.fork()
    if not child:
        filled(path, 500)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert numbers(path) == list(range(500))


def test_a_missing_file_has_no_rows(tmp_path: Path) -> None:
    assert list(read_rows(tmp_path / "rows")) == []


def test_room_is_reserved_beyond_the_end_and_none_of_it_shows(tmp_path: Path) -> None:
    log = filled(tmp_path / "rows", 2)
    log.reserve(1 << 20)
    status = log.path.stat()
    assert status.st_blocks * 512 >= 1 << 20
    assert status.st_size == log.size_bytes
    assert log.append({"number": 2}) == encode({"number": 2})
    assert numbers(log.path) == [0, 1, 2]
    with pytest.raises(OSError, match=r"File too large|No space"):
        log.reserve(1 << 60)
    log.close()
    assert numbers(log.path) == [0, 1, 2]
