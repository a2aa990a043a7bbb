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
