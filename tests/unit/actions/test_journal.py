# SPDX-License-Identifier: Apache-2.0
"""The journal keeps what it acknowledged, notices what was done to it, and refuses when it has no room."""

import json
import os
import random
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jepa.actions.catalogue import Tier
from jepa.actions.change import Change, State
from jepa.actions.journal import ARCHIVES, ROW_BYTES, Journal, files, load, set_aside
from jepa.errors import JepaError
from tests.unit.actions.file_machine import ME, START, FileMachine

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a file system")


def change(number: int, state: State = State.INTENDED, **more: Any) -> Change:
    return Change(
        **{
            "id": f"{number:012x}",
            "ts_ns": number,
            "boot_id": "b",
            "uid": 0,
            "action": "one",
            "target": "",
            "setting": "one",
            "identity": "",
            "old": number,
            "new": "ä\n40%",
            "inverse": number,
            "tier": Tier.TUNE,
            "state": state,
            "predicted": {"system.cpu.utilization": (1.0, 2.0, 3.0)},
            **more,
        }
    )


def filled(directory: Path, count: int = 5) -> Path:
    """A journal of changes that are intended, then committed; the path of its file."""
    with closing(Journal(directory)) as journal:
        for number in range(count):
            journal.record(change(number))
            journal.record(change(number, State.COMMITTED, observed={"x": 1.5}))
    return files(directory)[-1]


def test_what_was_recorded_is_there_at_the_next_start(tmp_path: Path) -> None:
    filled(tmp_path)
    with closing(Journal(tmp_path)) as journal:
        assert journal.changes == [
            change(number, State.COMMITTED, observed={"x": 1.5}) for number in range(5)
        ]
        assert journal.history(2) == [journal.changes[4], journal.changes[3]]
        assert journal.get(change(2).id) == journal.changes[2]
        with pytest.raises(JepaError, match="no change 'f'"):
            journal.get("f")
    assert load(tmp_path).changes == {each.id: each for each in journal.changes}


def test_several_changes_are_one_row(tmp_path: Path) -> None:
    with closing(Journal(tmp_path)) as journal:
        journal.record(change(1), change(2))
        before = files(tmp_path)[0].stat().st_size
        journal.record(change(1, State.UNDONE), replace(change(2), inverse=77))
    last = files(tmp_path)[0].read_bytes()[before:]
    assert last.count(b"\n") == 1
    told = json.loads(last.rpartition(b" ")[0])["changes"]
    assert told == [{"id": change(1).id, "state": "undone"}, {"id": change(2).id, "inverse": 77}]


@pytest.mark.parametrize("rows", [0, 1])
def test_cut_at_every_byte_it_is_as_before_the_last_row(tmp_path: Path, rows: int) -> None:
    path = filled(tmp_path / "a", 3)
    content = path.read_bytes()
    lines = content.splitlines(keepends=True)
    whole = len(lines) - rows
    start = sum(map(len, lines[: whole - 1]))
    expected: list[Change] | None = None
    for size in range(start, start + len(lines[whole - 1])):
        path.write_bytes(content[:size])
        if not size:
            continue
        with closing(Journal(tmp_path / "a")) as journal:
            assert not journal.damage, size
            expected = expected if expected is not None else journal.changes
            assert journal.changes == expected, size
            if size % 50:
                continue
            journal.record(change(99))
        assert not load(tmp_path / "a").damage
        assert list(load(tmp_path / "a").changes.values()) == [*expected, change(99)]


@pytest.mark.parametrize("bytes_in_it", [1, 7, 300])
def test_a_row_whose_first_sector_never_reached_the_disk_is_torn(tmp_path: Path, bytes_in_it: int) -> None:
    path = filled(tmp_path)
    content = path.read_bytes()
    last = content.splitlines(keepends=True)[-1]
    path.write_bytes(content.removesuffix(last) + bytes(bytes_in_it) + last[bytes_in_it:])
    with closing(Journal(tmp_path)) as journal:
        assert not journal.damage
        assert journal.changes[-1].state is State.INTENDED


def test_a_block_that_never_reached_the_disk_is_a_torn_row(tmp_path: Path) -> None:
    path = filled(tmp_path)
    content = path.read_bytes()
    last = content.splitlines(keepends=True)[-1]
    for tail in (bytes(len(last)), last[:20] + bytes(len(last) - 21) + b"\n", bytes(4096)):
        path.write_bytes(content.removesuffix(last) + tail)
        with closing(Journal(tmp_path)) as journal:
            assert not journal.damage
            assert journal.changes[-1].state is State.INTENDED


@settings(max_examples=100)
@given(data=st.data())
def test_no_wrong_bit_is_overlooked(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    directory = tmp_path_factory.mktemp("journal")
    path = filled(directory, 3)
    content = bytearray(path.read_bytes())
    bit = data.draw(st.integers(0, len(content) * 8 - 1))
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)
    before = path.read_bytes()
    with closing(Journal(directory)) as journal:
        known = {change(number, state).id for number in range(3) for state in State}
        assert {each.id for each in journal.changes} <= known
        if not journal.damage:  # a hex digit of the last checksum that became upper case changes nothing
            assert bytes(content).lower() == bytes(path.read_bytes()).lower()
            assert all(each.state is State.COMMITTED for each in journal.changes)
            return
        with pytest.raises(JepaError, match=r"damaged.*--set-aside"):
            journal.record(change(7))
        with pytest.raises(JepaError, match="Nothing is changed any more"):
            journal.reserve()
    assert path.read_bytes() == before, "evidence stays as it was found"


@pytest.mark.parametrize("edit", ["drop", "swap", "repeat", "insert"])
def test_rows_that_were_dropped_moved_or_put_in_are_noticed(tmp_path: Path, edit: str) -> None:
    path = filled(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    match edit:
        case "drop":
            del lines[3]
        case "swap":
            lines[2], lines[3] = lines[3], lines[2]
        case "repeat":
            lines.insert(3, lines[3])
        case _:
            filled(tmp_path / "other", 1)
            lines.insert(3, files(tmp_path / "other")[0].read_bytes().splitlines(keepends=True)[1])
    path.write_bytes(b"".join(lines))
    assert "does not follow the line before" in load(tmp_path).damage


def test_nothing_acts_on_a_damaged_journal_and_it_says_how_to_go_on(tmp_path: Path) -> None:
    machine = FileMachine(tmp_path)
    executor = machine.start()
    kept = executor.act(machine.request("one", 10), ME)
    executor.act(machine.request("two", 10), ME)
    executor.journal.close()
    path = files(machine.state)[0]
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"to":10}]} ', b'"to":11}]} ', 1))
    executor = machine.open()
    for attempt in (
        lambda: executor.act(machine.request("one", 20), ME),
        lambda: executor.undo(ME),
        lambda: executor.recover(),
    ):
        with pytest.raises(JepaError, match="damaged"):
            attempt()
    assert executor.history(), "what can be read is shown"
    with pytest.raises(JepaError, match="has the journal"):
        set_aside(machine.state)
    executor.journal.close()
    assert machine.value("one") == machine.value("two") == 10
    assert kept.id not in {each.id for each in set_aside(machine.state)}
    [aside] = machine.state.glob("damaged-*-changes-*.log")
    assert b'"to":11' in aside.read_bytes()
    executor = machine.start()
    assert executor.act(machine.request("one", 20), ME).old == 10
    executor.journal.close()


def test_one_process_at_a_time(tmp_path: Path) -> None:
    with closing(Journal(tmp_path)), pytest.raises(JepaError, match=str(os.getpid())) as raised:
        Journal(tmp_path, wait_s=0.05)
    assert raised.value.status == 409
    Journal(tmp_path, wait_s=0.0).close()


def test_it_is_private(tmp_path: Path) -> None:
    filled(tmp_path / "journal")
    assert (tmp_path / "journal").stat().st_mode & 0o777 == 0o700


def test_its_size_is_bounded_and_nothing_in_force_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jepa.actions.journal.CLOSED_KEPT", 30)
    heads: list[str] = []
    with closing(Journal(tmp_path, lambda each, head: heads.append(head), rotate_bytes=4000)) as journal:
        journal.record(change(0, State.COMMITTED))
        for number in range(1, 200):
            journal.reserve()
            journal.record(change(number))
            journal.record(change(number, State.UNDONE))
        assert len(files(tmp_path)) == ARCHIVES + 1
        assert journal.head == heads[-1]
        assert [each.id for each in journal.history(10)] == [
            change(number).id for number in range(199, 189, -1)
        ]
    total = sum(path.stat().st_size for path in files(tmp_path))
    assert total < 300_000
    with closing(Journal(tmp_path)) as journal:
        assert journal.in_force == [change(0, State.COMMITTED)]
        assert 30 < len(journal.changes) < 199
        assert journal.head == heads[-1]


def test_the_chain_goes_on_from_file_to_file(tmp_path: Path) -> None:
    with closing(Journal(tmp_path, rotate_bytes=2000)) as journal:
        for number in range(20):
            journal.reserve()
            journal.record(change(number))
    assert len(files(tmp_path)) > 2
    assert not load(tmp_path).damage
    earlier = files(tmp_path)[-2]
    lines = earlier.read_bytes().splitlines(keepends=True)
    earlier.write_bytes(b"".join(lines[:-1]))
    assert "does not follow" in load(tmp_path).damage


def test_a_new_file_that_a_crash_left_half_is_no_file(tmp_path: Path) -> None:
    filled(tmp_path)
    (tmp_path / "changes.new").write_bytes(b'{"prev": "')
    with closing(Journal(tmp_path)) as journal:
        assert len(journal.changes) == 5
    assert not (tmp_path / "changes.new").exists()


def test_a_journal_of_another_version_is_not_touched(tmp_path: Path) -> None:
    path = filled(tmp_path)
    path.write_bytes(b"")
    with closing(Journal(tmp_path)) as journal:
        assert "first line" in journal.damage
    assert path.read_bytes() == b""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of 256 KiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k,mode=0700", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@needs_root
def test_on_a_full_disk_nothing_is_changed_and_what_is_in_force_can_be_taken_back(
    tmp_path: Path, small_disk: Path
) -> None:
    machine = FileMachine(tmp_path / "machine")
    machine.state = small_disk / "journal"
    executor = machine.start()
    done = [executor.act(machine.request("one", 10), ME), executor.act(machine.request("two", 10), ME)]
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        while True:
            file.write(bytes(4096))
    refused = 0
    while True:  # what was reserved before is still to be used up
        try:
            executor.act(machine.request("pair", 10 + refused), ME)
            refused += 1
            assert refused < 100
        except JepaError as error:
            assert error.status == 507
            assert "no room" in error.problem
            break
    value = machine.value("pair")
    with pytest.raises(JepaError):
        executor.act(machine.request("kept", 10), ME)
    assert (machine.value("kept"), machine.value("pair")) == (START, value)
    for each in reversed(executor.journal.in_force):
        assert executor.undo(ME, each.id)[0].state is State.UNDONE
    assert len(executor.history()) == len(done) + refused
    executor.journal.close()
    filler.unlink()
    executor = machine.start()
    assert not executor.journal.in_force
    assert executor.act(machine.request("kept", 10), ME).state is State.COMMITTED
    executor.journal.close()


def test_a_disk_that_fails_stops_everything_until_the_next_start(tmp_path: Path) -> None:
    with closing(Journal(tmp_path)) as journal:
        journal.record(change(1))
        fd = journal._log._fd
        spare = os.dup(fd)
        broken, other = os.pipe()  # a pipe can be written and cannot be synced
        os.dup2(other, fd)
        with pytest.raises(JepaError, match="damaged: a row could not be written"):
            journal.record(change(2))
        os.dup2(spare, fd)
        with pytest.raises(JepaError, match="Nothing is changed any more"):
            journal.record(change(3))
        for each in (spare, broken, other):
            os.close(each)
    with closing(Journal(tmp_path)) as journal:
        journal.record(change(3))
        assert [each.id for each in journal.changes] == [change(1).id, change(3).id]


def test_room_is_reserved_beyond_the_end_of_the_file(tmp_path: Path) -> None:
    with closing(Journal(tmp_path)) as journal:
        journal.reserve()
        status = files(tmp_path)[0].stat()
        assert status.st_blocks * 512 >= ROW_BYTES
        assert status.st_size < 500


def test_a_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(JepaError, match="cannot be opened: Not a directory"):
        Journal(tmp_path / "file" / "journal")


def test_garbage_never_makes_it_raise(tmp_path: Path) -> None:
    random.seed(7)
    path = filled(tmp_path)
    for size in (1, 10, 1000, 100_000):
        path.write_bytes(random.randbytes(size) + b"\n")
        with closing(Journal(tmp_path)) as journal:
            assert journal.damage
