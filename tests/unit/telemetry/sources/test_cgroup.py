# SPDX-License-Identifier: Apache-2.0
"""Slices are measured against the whole machine, and are absent while they do not exist."""

import os
import shutil
import subprocess
from typing import Any

import pytest

from jepa.telemetry.roles import Roles
from jepa.telemetry.sources.cgroup import CgroupSource, parse_cpu_list
from jepa.telemetry.sources.role_usage import RoleSource


def test_cpu_and_memory_of_the_slices(host: Any) -> None:
    source = CgroupSource(host.root)
    source.read(10.0)
    host.edit("sys/fs/cgroup/system.slice/cpu.stat", "usage_usec 5000000", "usage_usec 6000000")
    values = source.read(11.0).values
    assert values == {
        "system.group.system.cpu": pytest.approx(25),
        "system.group.system.memory": pytest.approx(25),
        "system.group.user.cpu": 0,
        "system.group.user.memory": pytest.approx(10),
    }


def test_nobody_logged_in_then_somebody(host: Any) -> None:
    folder = host.root / "sys/fs/cgroup/user.slice"
    content = {path.name: path.read_text() for path in folder.iterdir()}
    source = CgroupSource(host.root)
    source.read(1.0)
    shutil.rmtree(folder)
    source.close()
    reading = source.read(2.0)
    assert set(reading.values) == {"system.group.system.cpu", "system.group.system.memory"}
    assert "user.slice" in reading.reason
    for name, text in content.items():
        host.write(f"sys/fs/cgroup/user.slice/{name}", text)
    assert "system.group.user.memory" in source.read(3.0).values


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_real_hierarchy_of_version_1_is_named_with_the_remedy(host: Any) -> None:
    tree = host.root / "sys/fs/cgroup"
    shutil.rmtree(tree)
    (tree / "systemd").mkdir(parents=True)
    subprocess.run(
        ["mount", "-t", "cgroup", "-o", "none,name=jepa-test", "test", tree / "systemd"], check=True
    )
    try:
        for source in (CgroupSource(host.root), RoleSource(host.root, Roles(host.root))):
            reading = source.read(1.0)
            assert reading.values == {}
            assert "control groups of version 1" in reading.reason
            assert "systemd.unified_cgroup_hierarchy=1" in reading.reason
            source.close()
    finally:
        subprocess.run(["umount", tree / "systemd"], check=True)


def test_without_a_tree_there_is_no_channel_and_a_reason(host: Any) -> None:
    (host.root / "sys/fs/cgroup/cgroup.controllers").unlink()
    reading = CgroupSource(host.root).read(1.0)
    assert reading.values == {}
    assert "not a cgroup v2 tree" in reading.reason


@pytest.mark.parametrize(
    ("text", "cpus"),
    [(b"0\n", 1), (b"0-3\n", 4), (b"0-1,4,6-7\n", 5), (b"\n", None), (b"3-1", None), (b"0-", None)],
)
def test_cpu_lists(text: bytes, cpus: int | None) -> None:
    assert parse_cpu_list(text) == cpus
