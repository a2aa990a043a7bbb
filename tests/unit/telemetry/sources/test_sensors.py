# SPDX-License-Identifier: Apache-2.0
"""Only inputs that measure something of this machine count, and reading them wakes nothing."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from jepa.telemetry.sources.sensors import Temperatures

FUSE = Path(__file__).parents[1] / "fuse.py"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")


@pytest.fixture
def folder(host: Any) -> Path:
    """The host's /sys/class without any sensor."""
    shutil.rmtree(host.root / "sys/class/thermal")
    shutil.rmtree(host.root / "sys/class/hwmon")
    return Path(host.root / "sys/class")


def chip(folder: Path, number: int, **files: str) -> Path:
    path = folder / f"hwmon/hwmon{number}"
    path.mkdir(parents=True)
    for name, text in files.items():
        (path / name).write_text(f"{text}\n")
    return path


def core(folder: Path, degrees: int = 45) -> Path:
    return chip(folder, 0, name="coretemp", temp1_input=f"{degrees}000", temp1_label="Package id 0")


def opened(folder: Path) -> Temperatures:
    sensors = Temperatures(folder)
    sensors.scan()
    return sensors


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"temp3_input": "127500"}, "nct6775 temp3 (nothing connected)"),
        ({"temp3_input": "-128000", "temp3_label": "AUXTIN"}, "nct6775 AUXTIN (nothing connected)"),
        ({"temp3_input": "255000"}, "nct6775 temp3 (nothing connected)"),
        ({"temp3_input": "109500"}, "nct6775 temp3 (constant and not known to be a sensor)"),
        (
            {"temp3_input": "82000", "temp3_label": "AUXTIN0"},
            "nct6775 AUXTIN0 (constant and not known to be a sensor)",
        ),
        ({"temp3_input": "90000", "temp3_fault": "1", "temp3_label": "CPU"}, "nct6775 CPU (fault)"),
        (
            {"temp3_input": "101000", "temp3_crit": "100000", "temp3_label": "CPU"},
            "nct6775 CPU (beyond its critical limit)",
        ),
    ],
)
def test_an_input_that_measures_nothing_is_left_out_and_named(
    folder: Path, files: dict[str, str], reason: str
) -> None:
    core(folder)
    chip(folder, 1, name="nct6775", **files)
    sensors = opened(folder)
    assert [sensors.hottest(now) for now in (1.0, 2.0, 1000.0)] == [45, 45, 45]
    assert sensors.left_out == reason


def test_a_crit_of_zero_is_no_limit(folder: Path) -> None:
    chip(folder, 1, name="k10temp", temp1_input="60000", temp1_label="Tctl", temp1_crit="0")
    assert opened(folder).hottest(1.0) == 60


def test_a_zone_beyond_its_critical_trip_point_does_not_count(folder: Path) -> None:
    core(folder)
    zone = folder / "thermal/thermal_zone0"
    zone.mkdir(parents=True)
    for name, text in {
        "type": "acpitz",
        "temp": "119000",
        "trip_point_0_type": "critical",
        "trip_point_0_temp": "103000",
    }.items():
        (zone / name).write_text(f"{text}\n")
    assert opened(folder).hottest(1.0) == 45


def test_an_unlabelled_input_of_a_super_io_chip_counts_once_it_changes(folder: Path) -> None:
    core(folder)
    board = chip(folder, 1, name="it8728", temp2_input="50000")
    sensors = opened(folder)
    assert sensors.hottest(1.0) == 45
    (board / "temp2_input").write_text("51000\n")
    assert sensors.hottest(2.0) == 51


def test_an_unlabelled_input_counts_until_it_was_constant_for_long(folder: Path) -> None:
    core(folder)
    other = chip(folder, 1, name="unknown", temp1_input="80000")
    sensors = opened(folder)
    assert sensors.hottest(1.0) == 80
    assert sensors.hottest(400.0) == 45
    sensors.scan()
    assert sensors.hottest(401.0) == 45
    (other / "temp1_input").write_text("79000\n")
    assert sensors.hottest(402.0) == 79


def test_the_only_sensor_counts_although_it_is_unlabelled_and_constant(folder: Path) -> None:
    chip(folder, 1, name="cpu_thermal", temp1_input="40000")
    sensors = opened(folder)
    assert [sensors.hottest(now) for now in (1.0, 1000.0)] == [40, 40]


def test_a_peripheral_is_not_the_machine(folder: Path) -> None:
    core(folder)
    mouse = chip(folder, 1, name="mouse", temp1_input="70000", temp1_label="Battery")
    (mouse / "device").mkdir()
    (mouse / "device/scope").write_text("Device\n")
    pad = folder.parent / "devices/usb1/0003:046D:C52B.0004/hwmon/hwmon2"
    pad.mkdir(parents=True)
    (pad / "temp1_input").write_text("71000\n")
    (folder / "hwmon/hwmon2").symlink_to("../../devices/usb1/0003:046D:C52B.0004/hwmon/hwmon2")
    assert opened(folder).hottest(1.0) == 45


def test_a_device_that_sleeps_is_not_woken(folder: Path) -> None:
    core(folder)
    gpu = chip(folder, 1, name="amdgpu", temp1_input="60000", temp1_label="edge")
    power = gpu / "device/power"
    power.mkdir(parents=True)
    (power / "runtime_status").write_text("active\n")
    sensors = opened(folder)
    assert sensors.hottest(1.0) == 60
    (power / "runtime_status").write_text("suspended\n")
    (gpu / "temp1_input").unlink()
    os.mkfifo(gpu / "temp1_input")  # whoever opens it waits for ever
    assert sensors.hottest(2.0) == 45
    assert opened(folder).hottest(1.0) == 45


def test_a_disk_is_asked_only_after_it_did_something_and_not_each_second(folder: Path) -> None:
    core(folder)
    disk = chip(folder, 1, name="drivetemp", temp1_input="50000")
    stat = disk / "device/block/sda/stat"
    stat.parent.mkdir(parents=True)
    stat.write_text("1 0 8\n")
    sensors = opened(folder)
    assert [sensors.hottest(now) for now in (0.0, 59.0, 60.0, 120.0)] == [45] * 4
    stat.write_text("2 0 16\n")
    assert [sensors.hottest(now) for now in (150.0, 180.0, 239.0)] == [45, 50, 50]
    (disk / "temp1_input").write_text("52000\n")
    assert [sensors.hottest(now) for now in (239.5, 240.0, 300.0)] == [50, 45, 45]


def test_a_disk_that_does_not_answer_is_waited_for_once(folder: Path) -> None:
    core(folder)
    disk = chip(folder, 1, name="nvme", temp1_input="50000", temp1_label="Composite")
    stat = disk / "device/nvme0n1/stat"
    stat.parent.mkdir(parents=True)
    stat.write_text("1 0 8\n")
    (disk / "temp1_input").unlink()
    os.mkfifo(disk / "temp1_input")  # whoever opens it waits until somebody writes
    sensors = opened(folder)
    assert sensors.hottest(0.0) == 45
    stat.write_text("2 0 16\n")
    begin, threads = time.monotonic(), threading.active_count()
    assert [sensors.hottest(60.0 * minute) for minute in range(1, 20)] == [45] * 19
    assert time.monotonic() - begin < 2
    assert threading.active_count() == threads + 1
    assert sensors.left_out == "hwmon1 (does not answer)"
    os.close(os.open(disk / "temp1_input", os.O_WRONLY))  # lets the thread go on
    sensors.close()


@needs_root
def test_a_sensor_whose_bus_is_stuck_costs_only_itself(folder: Path, tmp_path: Path) -> None:
    core(folder)
    stuck, slow = chip(folder, 1, name="sht4x"), chip(folder, 2, name="tmp102")
    bus = tmp_path / "bus"
    bus.mkdir()
    for device in (stuck, slow):
        (device / "temp1_input").symlink_to(bus / device.name)
    server = subprocess.Popen([sys.executable, FUSE, bus, "60000"], stdout=subprocess.PIPE)
    sensors = opened(folder)
    try:
        assert server.stdout is not None and server.stdout.readline()
        assert sensors.hottest(0.0) == 60
        threads = threading.active_count()
        server.send_signal(signal.SIGSTOP)
        begin = time.monotonic()
        assert [sensors.hottest(float(now)) for now in range(1, 60)] == [45] * 59
        assert time.monotonic() - begin < 2
        assert threading.active_count() == threads + 2
        assert sensors.left_out == "hwmon1 (does not answer), hwmon2 (does not answer)"
        sensors.scan()
        assert sensors.hottest(60.0) == 45
        server.send_signal(signal.SIGCONT)
        end = time.monotonic() + 10
        while sensors.hottest(91.0) != 60 or sensors.left_out:
            assert time.monotonic() < end, "it answers again and is not asked"
    finally:
        server.kill()
        server.wait()
        subprocess.run(["umount", "--lazy", bus], check=False)
        sensors.close()


def test_an_input_that_fails_costs_only_itself(folder: Path) -> None:
    core(folder)
    broken = chip(folder, 1, name="iwlwifi_1")
    (broken / "temp1_input").mkdir()
    assert opened(folder).hottest(1.0) == 45
