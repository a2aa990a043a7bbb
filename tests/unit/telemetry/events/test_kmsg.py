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
from jepa.telemetry.events.kmsg import KernelLog, KernelMessage, load_rules, parse_record
from jepa.text import shown

RULES = load_rules()
WALL = 1_800_000_000_000_000_000

SAID = {
    "Out of memory: Killed process 812 (mariadbd) total-vm:1kB, anon-rss:2kB": ("oom_kill", "mariadbd"),
    "Memory cgroup out of memory: Killed process 5 (a b) total-vm:1kB": ("oom_kill", "a b"),
    "INFO: task kworker/0:1:33 blocked for more than 120 seconds.": ("hung_task", "kworker/0:1"),
    "watchdog: BUG: soft lockup - CPU#0 stuck for 23s! [stress:99]": ("hung_task", None),
    "rcu: INFO: rcu_sched detected stalls on CPUs/tasks:": ("hung_task", None),
    "EXT4-fs error (device vda2): ext4_lookup:1855: inode #12: comm ls": ("fs_error", "vda2"),
    "WARNING: Pool 'tank' has encountered an uncorrectable I/O failure and has been suspended.": (
        "fs_error",
        "tank",
    ),
    "WARNING: MMP writes to pool 'Pool-0' have not succeeded in over 10013 ms; suspending pool. Hrtime 5": (
        "fs_error",
        "Pool-0",
    ),
    "zio pool=z vdev=/dev/mapper/zroot error=5 type=2 offset=3293896704 size=24576 flags=188881": (
        "io_error",
        "zroot",
    ),
    "zio pool=my pool vdev=/dev/disk/by-id/ata-WDC-part1 error=5 type=1 offset=0 size=8192 flags=b08c1": (
        "io_error",
        "ata-WDC-part1",
    ),
    "PANIC at dmu.c:844:dmu_write()": ("kernel_oops", None),
    "EXT4-fs (sda1): Remounting filesystem read-only": ("fs_error", "sda1"),
    "I/O error, dev sdb, sector 2048 op 0x0:(READ) flags 0x80700": ("io_error", "sdb"),
    "Buffer I/O error on dev dm-0, logical block 9, async page read": ("io_error", "dm-0"),
    "critical medium error, dev sdc, sector 77": ("io_error", "sdc"),
    "nvme nvme0: I/O 3 QID 1 timeout, aborting": ("io_error", "nvme0"),
    "ata1.00: failed command: READ FPDMA QUEUED": ("io_error", "ata1.00"),
    "mce: [Hardware Error]: Machine check events logged": ("machine_check", None),
    "CPU1: Core temperature above threshold, cpu clock throttled": ("thermal", "CPU1"),
    "mce: CPU1: Package temperature/speed normal": ("thermal_recovered", "CPU1"),
    "BUG: kernel NULL pointer dereference, address: 0000": ("kernel_oops", None),
    "device-mapper: verity: 254:1: data block 5 is corrupted": ("fs_error", "254:1"),
    "Out of memory: Killed process 42 ((sd-pam))": ("oom_kill", "(sd-pam)"),
    "Out of memory: Killed process 42 ((sd-pam)) total-vm:1kB, anon-rss:2kB, UID:0": (
        "oom_kill",
        "(sd-pam)",
    ),
    "Killed process 42 (a), UID 1000, total-vm:1kB, anon-rss:2kB": ("oom_kill", "a"),
    "INFO: task my program: x:33 blocked for more than 120 seconds.": ("hung_task", "my program: x"),
    "INFO: task dd:7 blocked in I/O wait for more than 122 seconds.": ("hung_task", "dd"),
    "rcu: INFO: rcu_preempt self-detected stall on CPU": ("hung_task", None),
    "NMI watchdog: Watchdog detected hard LOCKUP on cpu 3": ("hung_task", None),
    "BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 60s!": ("hung_task", None),
    "Oops: general protection fault, probably for non-canonical address: 0000": ("kernel_oops", None),
    "Oops: 0002 [#1] PREEMPT SMP": ("kernel_oops", None),
    "kernel BUG at mm/slub.c:379!": ("kernel_oops", None),
    "Kernel panic - not syncing: Fatal exception": ("kernel_oops", None),
    "EXT4-fs error (device dm-3: state EA): ext4_journal_check_start:84: comm x": ("fs_error", "dm-3"),
    "EXT4-fs warning (device sda1): ext4_end_bio:343: I/O error 10 writing to inode 12": (
        "fs_error",
        "sda1",
    ),
    "Aborting journal on device sda1-8.": ("fs_error", "sda1"),
    "JBD2: Detected IO errors while flushing file data on dm-0-8": ("fs_error", "dm-0"),
    "XFS (dm-0): Metadata corruption detected at xfs_agf": ("fs_error", "dm-0"),
    "XFS (sda1): Metadata CRC error detected at xfs_agi_read_verify+0xd/0x30": ("fs_error", "sda1"),
    "XFS (sda1): Corruption of in-memory data (0x8) detected at x.  Shutting down.": ("fs_error", "sda1"),
    'XFS (sda1): metadata I/O error in "xfs_trans_read_buf" at daddr 0x1 len 1 error 5': (
        "fs_error",
        "sda1",
    ),
    "XFS (sda1): log I/O error -5": ("fs_error", "sda1"),
    "BTRFS error (device sda2): bdev /dev/sda2 errs: wr 1, rd 0, flush 0, corrupt 0": ("fs_error", "sda2"),
    "BTRFS critical (device sda2): corrupt leaf: root=1 block=2": ("fs_error", "sda2"),
    "BTRFS: error (device sda2: state A) in btrfs_commit_transaction:2418: errno=-5": ("fs_error", "sda2"),
    "BTRFS warning (device dm-1): csum failed root 5 ino 257 off 0 csum 0x1": ("fs_error", "dm-1"),
    "FAT-fs (sdb1): error, fat_get_cluster: invalid cluster chain (i_pos 0)": ("fs_error", "sdb1"),
    "erofs (device vda2): z_erofs_lz4_decompress: failed to decompress -5": ("fs_error", "vda2"),
    "F2FS-fs (mmcblk0p1): inconsistent node block, nid:1": ("fs_error", "mmcblk0p1"),
    "blk_update_request: I/O error, dev sdb, sector 2048 op 0x0:(READ)": ("io_error", "sdb"),
    "I/O error, dev nvme0n1, sector 2048 op 0x1:(WRITE)": ("io_error", "nvme0n1"),
    "critical target error, dev sdc, sector 77 op 0x3:(DISCARD)": ("io_error", "sdc"),
    "nvme nvme0: I/O tag 3 (3003) opcode 0x1 (Write) QID 1 timeout, aborting": ("io_error", "nvme0"),
    "nvme nvme1: controller is down; will reset: CSTS=0xffffffff": ("io_error", "nvme1"),
    "nvme0n1: Read(0x2) @ LBA 0, 8 blocks, Unrecovered Read Error (sct 0x2 / sc 0x81)": (
        "io_error",
        "nvme0n1",
    ),
    "sd 0:0:0:0: [sda] tag#3 FAILED Result: hostbyte=DID_OK driverbyte=DRIVER_OK": ("io_error", "sda"),
    "sd 0:0:0:0: [sda] tag#3 Sense Key : Medium Error [current]": ("io_error", "sda"),
    "mmcblk0: error -110 transferring data, sector 1, nr 8": ("io_error", "mmcblk0"),
    "{1}[Hardware Error]: Hardware error from APEI Generic Hardware Error Source: 0": (
        "machine_check",
        None,
    ),
    "EDAC MC0: 1 CE memory read error on CPU_SrcID#0": ("machine_check", None),
    "thermal thermal_zone0: acpitz: critical temperature reached, shutting down": ("thermal", None),
}
QUIET = [
    "zio pool=tank vdev=/dev/sdb1 error=95 type=5 offset=0 size=0 flags=1080c0",
    "EXT4-fs (vda2): mounted filesystem 1234 r/w with ordered data mode",
    "systemd[1]: Started something.",
    "usb 1-1: new high-speed USB device number 2",
    "thermal LNXTHERM:00: registered as thermal_zone0",
    "nvme nvme0: Shutdown timeout set to 8 seconds",
    "nvme nvme0: 8/0/0 default/read/poll queues",
    "EXT4-fs (sda1): mounted filesystem with ordered data mode. Opts: errors=remount-ro",
    "EXT4-fs (sda1): re-mounted 12 r/w. Quota mode: none. Opts: errors=panic",
    "EXT4-fs warning (device sda1): ext4_multi_mount_protect:326: MMP interval 42",
    "BTRFS info (device sda2): bdev /dev/sda2 errs: wr 0, rd 0, flush 0, corrupt 3, gen 0",
    "BTRFS info (device sda2): disk space caching is enabled, last errors=0, critical chunks kept",
    "XFS (dm-0): Mounting V5 Filesystem 1234",
    "XFS (dm-0): Ending clean mount",
    "FAT-fs (sdb1): Volume was not properly unmounted. Some data may be corrupt. Please run fsck.",
    "FAT-fs (vda1): utf8 is not a recommended IO charset for FAT filesystems, filesystem errors=remount-ro",
    "JBD2: no valid journal superblock found",
    "traps: chrome[77] general protection fault ip:7f1 sp:7ff error:0 in libc.so.6",
    "python[77]: segfault at 0 ip 00 sp 00 error 4 in python",
    'audit: type=1400 comm="Out of memory: Killed process 1 (x)"',
    "watchdog: Delayed init of the lockup detector failed: -19",
    "NMI watchdog: Enabled. Permanently consumes one hw-PMU counter.",
    "rcu: Hierarchical RCU implementation, stalls on CPUs are detected after 21 s",
    "sd 0:0:0:0: [sda] Attached SCSI disk",
    "ata1: SATA link up 6.0 Gbps (SStatus 133 SControl 300)",
    "mce: CPU0: Thermal monitoring enabled (TM1)",
    "mmc0: new high speed SDHC card at address 0001",
    "thermal_sys: Registered thermal governor 'step_wise'",
    "EDAC MC: Ver: 3.0.0",
    "workqueue: drm_fb_helper_damage_work hogged CPU for >10000us 4 times, consider switching to WQ_UNBOUND",
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
    assert (event.severity == "info") == event.kind.endswith("_recovered")


def test_a_name_of_controls_is_kept_as_it_is_and_shown_escaped(pipe: tuple[int, KernelLog]) -> None:
    fd, log = pipe
    os.write(
        fd, rb"3,1,99000000,-;Out of memory: Killed process 42 (\x1b[2J\x0a12:00:00  info) total-vm:1kB"
    )
    (event,) = log.ready()
    assert event.unit == "\x1b[2J\n12:00:00  info"
    assert shown(event.unit) == r"\x1b[2J\x0a12:00:00  info"


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
    assert record == KernelMessage(6, 339, 5140900, "NET: A\nbc")


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
