# SPDX-License-Identifier: Apache-2.0
"""The kernel's log: records, rules, floods and losses."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.errors import JepaError
from jepa.telemetry.events.event import Event
from jepa.telemetry.events.kmsg import KernelLog, Record, load_rules, parse_record

RULES = load_rules()
WALL = 1_800_000_000_000_000_000

SAID = {
    "Out of memory: Killed process 812 (mariadbd) total-vm:1kB, anon-rss:2kB": ("oom_kill", "mariadbd"),
    "Memory cgroup out of memory: Killed process 5 (a b) total-vm:1kB": ("oom_kill", "a b"),
    "INFO: task kworker/0:1:33 blocked for more than 120 seconds.": ("hung_task", "kworker/0:1"),
    "watchdog: BUG: soft lockup - CPU#0 stuck for 23s! [stress:99]": ("hung_task", None),
    "rcu: INFO: rcu_sched detected stalls on CPUs/tasks:": ("hung_task", None),
    "EXT4-fs error (device vda2): ext4_lookup:1855: inode #12: comm ls": ("fs_error", "vda2"),
    "EXT4-fs (sda1): Remounting filesystem read-only": ("fs_error", "sda1"),
    "I/O error, dev sdb, sector 2048 op 0x0:(READ) flags 0x80700": ("io_error", "sdb"),
    "Buffer I/O error on dev dm-0, logical block 9, async page read": ("io_error", "dm-0"),
    "critical medium error, dev sdc, sector 77": ("io_error", "sdc"),
    "nvme nvme0: I/O 3 QID 1 timeout, aborting": ("io_error", "nvme0"),
    "ata1.00: failed command: READ FPDMA QUEUED": ("io_error", "ata1.00"),
    "mce: [Hardware Error]: Machine check events logged": ("machine_check", None),
    "CPU1: Core temperature above threshold, cpu clock throttled": ("thermal", None),
    "BUG: kernel NULL pointer dereference, address: 0000": ("kernel_oops", None),
    "device-mapper: verity: 254:1: data block 5 is corrupted": ("fs_error", "254:1"),
}
QUIET = [
    "EXT4-fs (vda2): mounted filesystem 1234 r/w with ordered data mode",
    "systemd[1]: Started something.",
    "usb 1-1: new high-speed USB device number 2",
    "thermal LNXTHERM:00: registered as thermal_zone0",
]


@pytest.fixture
def pipe() -> Iterator[tuple[int, KernelLog]]:
    """A packet socket for /dev/kmsg, which gives one record a read just so."""
    import socket

    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.setblocking(False)
    log = KernelLog(theirs.detach(), RULES, lambda: WALL, lambda: 100_000_000_000)
    with ours:
        yield ours.fileno(), log
        log.close()


def say(fd: int, sequence: int, text: str, microseconds: int = 99_000_000) -> None:
    os.write(fd, f"3,{sequence},{microseconds},-;{text}\n SUBSYSTEM=x\n".encode())


@pytest.mark.parametrize(("text", "meaning"), SAID.items())
def test_what_kernels_say_is_understood(
    pipe: tuple[int, KernelLog], text: str, meaning: tuple[str, str | None]
) -> None:
    fd, log = pipe
    say(fd, 1, text)
    (event,) = log.ready()
    assert (event.kind, event.unit) == meaning
    assert event.detail == text
    assert event.source == "kmsg"
    assert event.severity in ("warning", "error", "critical")


@pytest.mark.parametrize("text", QUIET)
def test_what_is_ordinary_is_no_event(pipe: tuple[int, KernelLog], text: str) -> None:
    fd, log = pipe
    say(fd, 1, text)
    assert log.ready() == []


def test_the_time_is_when_it_was_said_not_when_it_was_read(pipe: tuple[int, KernelLog]) -> None:
    fd, log = pipe
    say(fd, 1, next(iter(SAID)), microseconds=98_000_000)
    (event,) = log.ready()
    assert event.ts_ns == WALL - 2_000_000_000


def test_a_flood_of_one_kind_is_one_event_and_its_number_is_told_later(
    pipe: tuple[int, KernelLog],
) -> None:
    fd, log = pipe
    events: list[Event] = []
    for number in range(100):
        say(fd, number, "I/O error, dev sdb, sector 1", 10_000_000 + number)
        events += log.ready()
    assert len(events) == 1
    say(fd, 100, "I/O error, dev sdb, sector 2", 30_000_000)
    (later,) = log.ready()
    assert later.detail is not None
    assert "99 more" in later.detail


def test_messages_that_were_overwritten_are_counted(pipe: tuple[int, KernelLog]) -> None:
    fd, log = pipe
    say(fd, 5, "hello")
    say(fd, 12, "hello")
    (lost,) = log.ready()
    assert lost.kind == "events_lost"
    assert lost.detail == "6 messages of the kernel"


def test_escapes_and_further_lines() -> None:
    record = parse_record(b"6,339,5140900,c;NET: \\x41\\x0abc\n DEVICE=+x\n SUBSYSTEM=y\n")
    assert record == Record(6, 339, 5140900, "NET: A\nbc")


def test_the_facility_is_left_out_of_the_priority() -> None:
    record = parse_record(b"30,1,1,-;from user space")
    assert record is not None
    assert record.priority == 6


@given(st.binary(max_size=200))
def test_garbage_is_no_record_or_one(packet: bytes) -> None:
    record = parse_record(packet)
    assert record is None or 0 <= record.priority <= 7


@given(st.text(max_size=500))
def test_no_text_takes_the_rules_long(text: str) -> None:
    for rule in RULES:
        rule.unit(text)


def test_bad_rules_name_the_file(tmp_path: Path) -> None:
    for text in ("x", "[[rule]]\nkind = 'oom_kill'", "[[rule]]\nkind='a'\nseverity='b'\npattern='('"):
        (tmp_path / "rules.toml").write_text(text)
        with pytest.raises(JepaError, match=r"rules\.toml"):
            load_rules(tmp_path / "rules.toml")
