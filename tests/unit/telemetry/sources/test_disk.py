# SPDX-License-Identifier: Apache-2.0
"""Disks are counted once, whole, and only while they are there."""

from typing import Any

import pytest

from jepa.telemetry.sources.disk import DiskSource

SDA = "sda 1000 10 20000 500 2000 20 80000 4000 1 3000 4500"
NVME = "nvme0n1 100 0 1000 10 100 0 1000 20 0 30 30"


def test_throughput_use_wait_and_queue(host: Any) -> None:
    source = DiskSource(host.root)
    assert source.read(10.0).values == {}
    host.edit("proc/diskstats", SDA, "sda 1040 10 24096 580 2010 20 84096 4220 1 3500 6500")
    host.edit("proc/diskstats", NVME, "nvme0n1 100 0 1000 10 150 0 1000 20 0 130 30")
    assert source.read(12.0).values == {
        "system.disk.io.read": pytest.approx(1024),
        "system.disk.io.write": pytest.approx(1024),
        "system.disk.operations.read": pytest.approx(20),
        "system.disk.operations.write": pytest.approx(30),
        "system.disk.utilization": pytest.approx(25),
        "system.disk.wait": pytest.approx(3),
        "system.disk.queue": pytest.approx(1),
    }


def test_partitions_and_virtual_disks_do_not_count_twice(host: Any) -> None:
    source = DiskSource(host.root)
    source.read(1.0)
    host.edit("proc/diskstats", "loop0 5 0 50", "loop0 5000 0 500000")
    host.edit("proc/diskstats", "sda1 900 10 19000", "sda1 9000 10 1900000")
    assert source.read(2.0).values["system.disk.io.read"] == 0


def test_without_operations_the_wait_is_absent(host: Any) -> None:
    source = DiskSource(host.root)
    source.read(1.0)
    values = source.read(2.0).values
    assert "system.disk.wait" not in values
    assert values["system.disk.utilization"] == 0


def test_a_disk_pulled_and_plugged_makes_no_spike(host: Any) -> None:
    source = DiskSource(host.root)
    source.read(1.0)
    before = (host.root / "proc/diskstats").read_text()
    host.write("proc/diskstats", "".join(line for line in before.splitlines(True) if "nvme" not in line))
    assert source.read(2.0).values["system.disk.io.read"] == 0
    host.write("proc/diskstats", before.replace(NVME, "nvme0n1 9 0 999999 1 9 0 9 1 0 1 1"))
    assert source.read(3.0).values["system.disk.io.read"] == 0
    host.edit("proc/diskstats", "999999", "1000001")
    assert source.read(4.0).values["system.disk.io.read"] == pytest.approx(1)


def test_a_machine_without_disks_says_so(host: Any) -> None:
    host.write("proc/diskstats", "")
    source = DiskSource(host.root)
    source.read(1.0)
    reading = source.read(2.0)
    assert reading.values == {}
    assert "no disk" in reading.reason


def disks(host: Any, *lines: str) -> None:
    host.write("proc/diskstats", "".join(f" 259 {n} {line}\n" for n, line in enumerate(lines)))


def io(name: str, reads: int, sectors: int) -> str:
    return f"{name} {reads} 0 {sectors} 0 0 0 0 0 0 0 0 0 0 0 0 0 0"


def have(host: Any, name: str, where: str = "pci0000:00") -> None:
    link = host.root / "sys/block" / name
    link.symlink_to(f"../devices/{where}/{name}")


@pytest.mark.parametrize(
    ("head", "path", "rate"),
    [(2000, 2000, 1000), (0, 2000, 1000)],
    ids=["the kernel counts both", "an older kernel counts paths only"],
)
def test_a_disk_with_several_paths_counts_once(host: Any, head: int, path: int, rate: int) -> None:
    have(host, "nvme1n1", "virtual/nvme-subsystem/nvme-subsys1")
    have(host, "nvme1c0n1")
    have(host, "nvme1c1n1")
    reads = 7 if head else 0
    disks(host, io("nvme1n1", reads, 0), io("nvme1c0n1", 7, 0), io("nvme1c1n1", 0, 0))
    source = DiskSource(host.root)
    source.read(1.0)
    disks(host, io("nvme1n1", reads, head), io("nvme1c0n1", 7, path), io("nvme1c1n1", 0, 0))
    assert source.read(2.0).values["system.disk.io.read"] == pytest.approx(rate)


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("cciss/c0d0", "cciss!c0d0"),
        ("a b", "a b"),
        ("диск", "диск"),
        (b"\xff\xfe".decode(errors="surrogateescape"), b"\xff\xfe".decode(errors="surrogateescape")),
    ],
)
def test_odd_names_are_found_in_sys(host: Any, name: str, entry: str) -> None:
    have(host, entry)
    file = host.root / "proc/diskstats"
    file.write_bytes(f" 8 0 {io(name, 1, 0)}\n".encode(errors="surrogateescape"))
    source = DiskSource(host.root)
    source.read(1.0)
    file.write_bytes(f" 8 0 {io(name, 2, 2)}\n".encode(errors="surrogateescape"))
    assert source.read(2.0).values["system.disk.io.read"] == pytest.approx(1)


def test_lines_of_a_container_without_spaces_in_front_and_with_zeros_are_read(host: Any) -> None:
    host.write("proc/diskstats", "8       0 sda 0 0 0 0 46 0 977 34 0 2 0 0 0 0\n")
    source = DiskSource(host.root)
    source.read(1.0)
    host.edit("proc/diskstats", "46 0 977", "47 0 979")
    assert source.read(2.0).values["system.disk.io.write"] == pytest.approx(1)


def test_a_network_block_device_is_no_copy_of_another_disk(host: Any) -> None:
    for name in ("nbd0", "zram0", "dm-0", "md127", "zd0", "ram0", "bcache0"):
        have(host, name, "virtual/block")
    names = ("nbd0", "zram0", "dm-0", "md127", "zd0", "ram0", "bcache0")
    disks(host, *(io(name, 0, 0) for name in names))
    source = DiskSource(host.root)
    source.read(1.0)
    disks(host, *(io(name, 1, 2048) for name in names))
    assert source.read(2.0).values["system.disk.io.read"] == pytest.approx(1024)


def test_times_of_32_bits_wrap_and_the_disk_still_counts(host: Any) -> None:
    source = DiskSource(host.root)
    host.edit("proc/diskstats", SDA, "sda 1000 10 20000 500 2000 20 80000 4000 1 4294967000 4294967290")
    source.read(1.0)
    host.edit("proc/diskstats", "sda 1000 10 20000", "sda 1001 10 20002")
    host.edit("proc/diskstats", "4294967000 4294967290", "204 1994")
    values = source.read(2.0).values
    assert values["system.disk.io.read"] == pytest.approx(1)
    assert values["system.disk.utilization"] == pytest.approx(50)
    assert values["system.disk.queue"] == pytest.approx(2)


def test_a_disk_whose_counters_were_reset_has_no_rate_for_that_second(host: Any) -> None:
    source = DiskSource(host.root)
    source.read(1.0)
    host.edit("proc/diskstats", SDA, "sda 5 0 90 1 1 0 8 1 0 1 1")
    assert source.read(2.0).values["system.disk.io.read"] == 0
    host.edit("proc/diskstats", "sda 5 0 90", "sda 6 0 92")
    assert source.read(3.0).values["system.disk.io.read"] == pytest.approx(1)
