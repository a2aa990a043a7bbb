# SPDX-License-Identifier: Apache-2.0
"""The event log survives a crash at any byte, keeps its bound, and can be read while it is written."""

import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.errors import JepaError
from jepa.telemetry.events.event import KINDS, Event
from jepa.telemetry.events.eventlog import EventLog, LoggedEvent, decode, encode, read_events

LIMIT = 20_000

events = st.builds(
    Event,
    ts_ns=st.integers(-(2**62), 2**62),
    kind=st.sampled_from(KINDS),
    unit=st.none() | st.text(max_size=20),
    detail=st.none() | st.text(max_size=50),
    severity=st.sampled_from(["info", "error"]),
    source=st.text(max_size=5),
)


logged_events = st.builds(LoggedEvent, sequence=st.integers(1, 2**62), event=events)


def event(number: int) -> LoggedEvent:
    return LoggedEvent(number, Event(1_000 - number, "unit_failed", f"unit-{number}.service", "x" * 50))


@given(logged_events)
def test_an_event_comes_back_as_it_was_and_takes_one_line(event: LoggedEvent) -> None:
    line = encode(event)
    assert decode(line) == event
    assert line.count(b"\n") == 1


@given(logged_events, st.integers(0, 500), st.integers(0, 255))
def test_a_damaged_line_is_never_another_event(event: LoggedEvent, place: int, value: int) -> None:
    line = bytearray(encode(event))
    place %= len(line) - 1
    line[place] = value
    assert decode(bytes(line)) in (None, event)


@given(st.binary(max_size=100))
def test_garbage_is_no_event(line: bytes) -> None:
    assert decode(line) is None


def test_the_newest_come_back_oldest_first(tmp_path: Path) -> None:
    log = EventLog(tmp_path, LIMIT)
    for number in range(10):
        log.append(event(number))
    assert [each.sequence for each in log.tail(3)] == [7, 8, 9]
    log.close()
    again = EventLog(tmp_path, LIMIT)
    assert [each.sequence for each in again.tail(100)] == list(range(10))
    again.close()


def test_it_keeps_to_its_bound_and_loses_the_oldest(tmp_path: Path) -> None:
    log = EventLog(tmp_path, LIMIT)
    for number in range(1000):
        log.append(event(number))
        assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= LIMIT
    kept = [each.sequence for each in log.tail(10_000)]
    assert kept == list(range(kept[0], 1000))
    assert len(kept) > 40
    log.close()


def test_it_goes_on_when_a_new_file_could_not_be_made_for_a_time(tmp_path: Path) -> None:
    log = EventLog(tmp_path, LIMIT)
    number = 0
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))  # no file can be opened any more
    try:
        with pytest.raises(JepaError, match="Too many open files"):
            while True:
                log.append(event(number))
                number += 1
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    log.append(event(number))
    assert [each.sequence for each in log.tail(10_000)] == list(range(number + 1))
    log.close()


@pytest.mark.parametrize("cut", [2, 5, 60, 100])
def test_a_torn_line_costs_only_itself(tmp_path: Path, cut: int) -> None:
    log = EventLog(tmp_path, LIMIT)
    for number in range(3):
        log.append(event(number))
    log.close()
    file = tmp_path / "events.jsonl"
    file.write_bytes(file.read_bytes()[:-cut])
    log = EventLog(tmp_path, LIMIT)
    log.append(event(3))
    assert [each.sequence for each in log.tail(10)] == [0, 1, 3]
    log.close()


def test_another_process_reads_it_while_it_is_written(tmp_path: Path) -> None:
    log = EventLog(tmp_path, LIMIT)
    log.append(event(1))
    assert [each.sequence for each in read_events([tmp_path / "events.jsonl"])] == [1]
    log.close()


WRITER = """
import sys
from pathlib import Path
from jepa.telemetry.events.event import Event
from jepa.telemetry.events.eventlog import EventLog, LoggedEvent
log = EventLog(Path(sys.argv[1]), 10**7)
number = 0
while True:
    log.append(LoggedEvent(number, Event(0, "io_error", None, None)))
    print(number, flush=True)
    number += 1
"""


def test_a_killed_writer_loses_nothing_it_has_told_of(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout
        for _ in range(500):
            told = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
    kept = [each.sequence for each in read_events([tmp_path / "events.jsonl"])]
    assert kept == list(range(len(kept)))
    assert len(kept) > told


def test_a_place_that_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(JepaError, match="event log"):
        EventLog(tmp_path / "file" / "log", LIMIT)
