# SPDX-License-Identifier: Apache-2.0
"""What each role uses: sums of groups, less those of others below them."""

import shutil
import time
from pathlib import Path

import pytest

from jepa.telemetry.roles import Roles
from jepa.telemetry.sources.role_usage import RoleSource, parse_io_stat

BACKGROUND = "user.slice/user-1.slice/user@1.service/background.slice"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "sys/devices/system/cpu").mkdir(parents=True)
    (tmp_path / "sys/devices/system/cpu/online").write_text("0-1\n")
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal:        1024000 kB\nMemFree: 1 kB\n")
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/cgroup.controllers").write_text("cpu io memory\n")
    return tmp_path


def group(root: Path, name: str, *, cpu: int = 0, memory: int = 0, read: int = 0, io_stall: int = 0) -> None:
    folder = root / "sys/fs/cgroup" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cpu.stat").write_text(f"usage_usec {cpu}\nuser_usec 0\nsystem_usec 0\n")
    (folder / "memory.current").write_text(f"{memory}\n")
    (folder / "io.stat").write_text(f"254:0 rbytes={read} wbytes=0 rios=1 wios=0 dbytes=0 dios=0\n")
    for kind, total in (("cpu", 0), ("memory", 0), ("io", io_stall)):
        (folder / f"{kind}.pressure").write_text(
            f"some avg10=0.00 avg60=0.00 avg300=0.00 total={total}\n"
            f"full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
        )


def test_a_role_is_its_groups_less_the_others_below_them(root: Path) -> None:
    source = RoleSource(root, Roles(root))
    group(root, "user.slice", cpu=0, memory=100 * 2**20)
    group(root, BACKGROUND, cpu=0, memory=40 * 2**20)
    group(root, "system.slice")
    source.read(10.0)
    group(root, "user.slice", cpu=1_000_000, memory=100 * 2**20, read=3 * 2**20)
    group(root, BACKGROUND, cpu=800_000, memory=40 * 2**20, read=2 * 2**20, io_stall=500_000)
    values = source.read(11.0).values
    assert values["system.role.foreground.cpu"] == pytest.approx(10.0)
    assert values["system.role.background.cpu"] == pytest.approx(40.0)
    assert values["system.role.system.cpu"] == 0.0
    assert values["system.role.foreground.memory"] == pytest.approx(6.0)
    assert values["system.role.background.memory"] == pytest.approx(4.0)
    assert values["system.role.foreground.io.read"] == pytest.approx(1024.0)
    assert values["system.role.background.io.read"] == pytest.approx(2048.0)
    assert values["system.role.background.pressure.io"] == pytest.approx(50.0)
    assert values["system.role.foreground.pressure.io"] == 0.0


def test_a_role_without_a_group_is_absent(root: Path) -> None:
    group(root, "user.slice")
    source = RoleSource(root, Roles(root))
    source.read(1.0)
    values = source.read(2.0).values
    assert "system.role.foreground.cpu" in values
    assert not [name for name in values if "background" in name]


def test_a_group_that_goes_and_comes_back_never_gives_wild_values(root: Path) -> None:
    group(root, "user.slice", cpu=5_000_000)
    source = RoleSource(root, Roles(root))
    source.read(1.0)
    shutil.rmtree(root / "sys/fs/cgroup/user.slice")
    assert "system.role.foreground.cpu" not in source.read(2.0).values
    group(root, "user.slice", cpu=1_000)
    assert "system.role.foreground.cpu" not in source.read(8.0).values
    group(root, "user.slice", cpu=101_000)
    assert source.read(9.0).values["system.role.foreground.cpu"] == pytest.approx(5.0)


def test_a_group_moved_to_another_role_counts_there_from_then_on(root: Path) -> None:
    group(root, "user.slice")
    source = RoleSource(root, Roles(root))
    source.read(1.0)
    rules = root / "run/jepa-roles/roles.toml"
    rules.parent.mkdir(parents=True)
    rules.write_text("[[role]]\nrole = 'background'\ncgroups = ['user.slice']\n")
    group(root, "user.slice", cpu=200_000)
    values = source.read(2.0).values
    assert values["system.role.background.cpu"] == pytest.approx(10.0)
    assert "system.role.foreground.cpu" not in values


def test_without_a_tree_all_is_absent_for_one_reason(tmp_path: Path) -> None:
    reading = RoleSource(tmp_path, Roles(tmp_path)).read(1.0)
    assert reading.values == {}
    assert "not a cgroup v2 tree" in reading.reason


def test_io_is_summed_over_devices_and_garbage_counts_nothing() -> None:
    assert parse_io_stat(b"254:0 rbytes=10 wbytes=5 rios=1\n8:0 rbytes=1 wbytes=x\n\xff\n") == (11, 5)


@pytest.mark.parametrize(
    ("device", "sign"), [("dm-0", "slaves/vda3"), ("loop0", "loop/backing_file")], ids=["verity", "file"]
)
def test_what_goes_through_a_device_that_lies_on_a_disk_counts_once(
    root: Path, device: str, sign: str
) -> None:
    for name, number in (("vda", "254:0"), (device, "253:0")):
        (root / "sys/block" / name).mkdir(parents=True)
        (root / "sys/block" / name / "dev").write_text(f"{number}\n")
    (root / "sys/block" / device / sign).mkdir(parents=True)
    group(root, "user.slice")
    io = root / "sys/fs/cgroup/user.slice/io.stat"
    io.write_text("254:0 rbytes=0 wbytes=0\n253:0 rbytes=0 wbytes=0\n")
    source = RoleSource(root, Roles(root))
    source.read(1.0)
    io.write_text("254:0 rbytes=8192 wbytes=4096\n253:0 rbytes=4096 wbytes=4096\n")
    values = source.read(2.0).values
    assert values["system.role.foreground.io.read"] == pytest.approx(8.0)
    assert values["system.role.foreground.io.write"] == pytest.approx(4.0)


def test_many_groups_cost_little(root: Path) -> None:
    for number in range(100):
        group(root, f"user.slice/user-{number}.slice/user@{number}.service/background.slice")
    group(root, "user.slice")
    source = RoleSource(root, Roles(root))
    source.read(1.0)
    start = time.process_time()
    for second in range(20):
        source.read(1.1 + second / 10)
    assert (time.process_time() - start) / 20 < 0.05


def test_a_group_that_does_not_say_is_absent_whatever_lies_below_it(root: Path) -> None:
    group(root, "user.slice")
    group(root, BACKGROUND)
    source = RoleSource(root, Roles(root))
    source.read(1.0)
    for name in ("cpu.stat", "memory.current"):
        (root / "sys/fs/cgroup/user.slice" / name).unlink()
    source._groups[root / "sys/fs/cgroup/user.slice"][1].close()
    values = source.read(2.0).values
    assert "system.role.foreground.cpu" not in values
    assert "system.role.foreground.memory" not in values
    assert values["system.role.background.cpu"] == 0.0
