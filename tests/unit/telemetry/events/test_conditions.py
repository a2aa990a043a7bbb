# SPDX-License-Identifier: Apache-2.0
"""Conditions end when the machine says so: real mounts in a namespace of their own, and a clock."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.telemetry.events.conditions import Conditions, parse_mountinfo
from jepa.telemetry.events.event import Event

EXT4 = "36 35 8:1 / /home rw,noatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro\n"


def error(unit: str | None, detail: str = "EXT4-fs error", kind: str = "fs_error") -> Event:
    return Event(1, kind, unit, detail, "error", "kmsg")


class Machine:
    """A folder with the files that conditions are judged by, and a clock."""

    def __init__(self, root: Path) -> None:
        self.root, self.now = root, 0.0
        for folder in ("proc/self", "sys/class/block/sda1", "dev"):
            (root / folder).mkdir(parents=True)
        (root / "sys/class/block/sda1/dev").write_text("8:1\n")
        self.mounts(EXT4)
        self.conditions = Conditions(root, wall_ns=lambda: 42, monotonic=lambda: self.now)

    def mounts(self, *lines: str) -> None:
        (self.root / "proc/self/mountinfo").write_text("".join(lines))

    def ended(self) -> list[tuple[str, str | None, str | None]]:
        return [(each.kind, each.unit, each.detail) for each in self.conditions.ended()]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


class Namespace:
    """A shell in a mount namespace of its own."""

    def __init__(self, root: Path) -> None:
        user = [] if os.geteuid() == 0 else ["--map-root-user"]
        self._shell = subprocess.Popen(
            ["unshare", *user, "--mount", "sh"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.run(":")  # the namespace is there once the shell answers
        (root / "proc").mkdir()
        (root / "proc/self").symlink_to(f"/proc/{self._shell.pid}")

    def run(self, command: str) -> None:
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.write(f"{command}; echo $?\n")
        self._shell.stdin.flush()
        assert self._shell.stdout.readline() == "0\n", command

    def close(self) -> None:
        self._shell.communicate()


@pytest.fixture
def namespace(tmp_path: Path) -> Iterator[Namespace]:
    (tmp_path / "root").mkdir()
    made = Namespace(tmp_path / "root")
    yield made
    made.close()


def test_a_real_file_system_recovers_when_it_is_mounted_read_write_again(
    namespace: Namespace, tmp_path: Path
) -> None:
    place, root = tmp_path / "mounted", tmp_path / "root"
    place.mkdir()
    namespace.run(f"mount -t tmpfs errors-remount-ro {place}")
    lines = (root / "proc/self/mountinfo").read_text().splitlines()
    (unit,) = (line.split()[2] for line in lines if str(place) in line)
    conditions = Conditions(root)
    conditions.hear(error(unit))
    assert conditions.ended() == []
    namespace.run(f"mount -o remount,ro {place}")
    assert conditions.ended() == []
    namespace.run(f"mount -o remount,rw {place}")
    (event,) = conditions.ended()
    assert (event.kind, event.unit, event.severity) == ("fs_recovered", unit, "info")
    assert event.detail == "it is mounted read-write again"
    assert conditions.ended() == []

    conditions.hear(error(unit))
    namespace.run(f"umount {place}")
    (event,) = conditions.ended()
    assert event.detail == "it is not mounted any more"


def test_a_sandbox_that_sees_a_file_system_read_only_does_not_keep_its_error(
    namespace: Namespace, tmp_path: Path
) -> None:
    place, root = tmp_path / "mounted", tmp_path / "root"
    place.mkdir()
    namespace.run(f"mount -t tmpfs -o ro x {place}; mount -o remount,bind,ro {place}")
    (mount,) = (
        each
        for each in parse_mountinfo((root / "proc/self/mountinfo").read_bytes())
        if each.source == "x" and each.read_only
    )
    conditions = Conditions(root)
    conditions.hear(error(mount.device))
    assert conditions.ended() == []
    # as ProtectSystem= leaves it: the mount read-only, the file system not
    namespace.run(f"mount -o remount,rw {place}; mount -o remount,bind,ro {place}")
    assert [each.kind for each in conditions.ended()] == ["fs_recovered"]


@pytest.mark.parametrize("option", ["ro", "rw,emergency_ro", "rw,shutdown"])
def test_a_file_system_that_takes_no_writes_keeps_its_error(machine: Machine, option: str) -> None:
    machine.conditions.hear(error("sda1"))
    machine.mounts(EXT4.replace("rw,errors", f"{option},errors"))
    machine.now = 1e6
    assert machine.ended() == []
    machine.mounts(EXT4)
    assert machine.ended() == [("fs_recovered", "sda1", "it is mounted read-write again")]


def test_a_shut_down_xfs_recovers_only_by_another_mount(machine: Machine) -> None:
    machine.conditions.hear(
        error("sda1", "XFS (sda1): Filesystem has been shut down due to log error (0x2).")
    )
    machine.now = 1e6
    assert machine.ended() == [], "its options do not tell"
    machine.mounts(EXT4.replace("36 ", "40 "))
    assert machine.ended() == [("fs_recovered", "sda1", "it is mounted read-write again")]


def test_an_error_that_left_the_file_system_writable_ends_when_no_other_follows(machine: Machine) -> None:
    machine.conditions.hear(error("sda1"))
    machine.now = 3000
    machine.conditions.hear(error("sda1"))
    machine.now = 3700
    assert machine.ended() == []
    machine.now = 6601
    assert machine.ended() == [("fs_recovered", "sda1", "no further message for 60 min")]


def test_a_device_is_found_by_the_source_where_the_number_is_the_file_systems_own(machine: Machine) -> None:
    (machine.root / "dev/mapper").mkdir()
    (machine.root / "dev/dm-0").write_text("")
    (machine.root / "dev/mapper/my home").symlink_to("../dm-0")
    btrfs = "50 35 0:44 / /home rw - btrfs /dev/mapper/my\\040home {}\n"
    machine.mounts(btrfs.format("ro"))
    machine.conditions.hear(error("dm-0"))
    assert machine.ended() == []
    machine.mounts(btrfs.format("rw"))
    assert machine.ended() == [("fs_recovered", "dm-0", "it is mounted read-write again")]


def test_a_suspended_pool_ends_when_it_is_online(machine: Machine) -> None:
    state = machine.root / "proc/spl/kstat/zfs/tank/state"
    state.parent.mkdir(parents=True)
    state.write_text("SUSPENDED\n")
    machine.conditions.hear(error("tank"))
    machine.now = 1e6
    assert machine.ended() == []
    state.write_text("ONLINE\n")
    assert machine.ended() == [("fs_recovered", "tank", "its pool is online")]


def test_nothing_ends_while_the_mounts_cannot_be_read(machine: Machine) -> None:
    machine.conditions.hear(error("sda1"))
    (machine.root / "proc/self/mountinfo").unlink()
    assert machine.ended() == []


def test_a_cpu_that_is_too_hot_ends_by_the_log_or_by_its_silence(machine: Machine) -> None:
    for unit in ("CPU0", "CPU1"):
        machine.conditions.hear(error(unit, kind="thermal"))
    machine.conditions.hear(error("CPU0", kind="thermal_recovered"))
    machine.now = 901
    assert machine.ended() == [("thermal_recovered", "CPU1", "no further message for 15 min")]


def test_other_events_begin_nothing(machine: Machine) -> None:
    machine.conditions.hear(error("sda1", kind="io_error"))
    machine.conditions.hear(error("web.service", kind="unit_failed"))
    machine.now = 1e9
    assert machine.ended() == []


@given(st.binary(max_size=300) | st.text("0123456789 :/-\\rwo,\n", max_size=300).map(str.encode))
def test_any_content_is_mounts_or_none(content: bytes) -> None:
    for mount in parse_mountinfo(content):
        assert mount.number >= 0


def test_this_machines_mounts_are_read() -> None:
    mounts = parse_mountinfo(Path("/proc/self/mountinfo").read_bytes())
    assert len(mounts) == len(Path("/proc/self/mountinfo").read_bytes().splitlines())
