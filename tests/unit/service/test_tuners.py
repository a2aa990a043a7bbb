# SPDX-License-Identifier: Apache-2.0
"""Other tuners are found by what runs: real processes of their names, and the kernel's own files."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jepa.service import tuners


@contextmanager
def running(folder: Path, name: str, *words: str) -> Iterator[int]:
    """A process called ``name``, as the kernel names it after its file."""
    program = folder / name
    shutil.copy("/bin/sleep", program)
    with subprocess.Popen([program, "60", *words]) as process:
        try:
            while Path(f"/proc/{process.pid}/comm").read_text().strip() != name[:15]:
                time.sleep(0.01)
            yield process.pid
        finally:
            process.kill()


def said() -> dict[str, str]:
    return {part.name: part.reason for part in tuners.found()}


@pytest.mark.parametrize(
    "name", ["tuned", "power-profiles-daemon", "ananicy-cpp", "gamemoded", "systemd-oomd", "irqbalance"]
)
def test_a_tuner_that_runs_is_named(tmp_path: Path, name: str) -> None:
    assert f"tuner {name}" not in said()
    with running(tmp_path, name):
        assert said()[f"tuner {name}"].startswith("Active: ")
    assert f"tuner {name}" not in said()


def test_the_command_line_is_the_setting_of_what_takes_no_file(tmp_path: Path) -> None:
    with running(tmp_path, "earlyoom", "0"):
        assert said()["tuner earlyoom"].endswith("(earlyoom 60 0).")


def test_a_name_that_only_begins_alike_is_none(tmp_path: Path) -> None:
    with running(tmp_path, "tuned-adm"):
        assert "tuner tuned" not in said()


def test_a_process_that_ended_is_none(tmp_path: Path) -> None:
    with running(tmp_path, "thermald") as pid:
        os.kill(pid, 9)
        while ") Z " not in Path(f"/proc/{pid}/stat").read_text():
            time.sleep(0.01)
        assert "tuner thermald" not in said()


def machine(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def process(pid: int, comm: str) -> dict[str, str]:
    return {f"proc/{pid}/stat": f"{pid} ({comm}) S 1 1\n", f"proc/{pid}/cmdline": f"/usr/sbin/{comm}\0-x\0"}


def test_the_setting_of_each_is_said(tmp_path: Path) -> None:
    root = machine(
        tmp_path,
        {
            **process(1, "init"),
            **process(40, "tuned"),
            **process(41, "power-profiles-"),
            **process(42, "a) S (tuned"),
            "etc/tuned/active_profile": "throughput-performance\n",
            "sys/firmware/acpi/platform_profile": "low-power\n",
            "sys/devices/system/cpu/cpufreq/policy0/energy_performance_preference": "power\n",
            "sys/kernel/sched_ext/state": "enabled\n",
            "sys/kernel/sched_ext/root/ops": "scx_lavd\n",
            "run/tlp/last_pwr": "1\n",
            "proc/swaps": "Filename Type Size Used Priority\n/dev/zram0 partition 4194300 0 100\n",
        },
    )
    reasons = {part.name: part.reason for part in tuners.found(root)}
    assert reasons == {
        "tuner TLP": "Active: power settings of CPU, disks and buses (settings for battery).",
        "tuner power-profiles-daemon": "Active: the power profile of CPU and firmware "
        "(platform profile low-power, preference power).",
        "tuner sched_ext": "Active: schedules the CPUs in place of the kernel's own scheduler (scx_lavd).",
        "tuner tuned": "Active: kernel parameters, CPU and disk power by a profile "
        "(profile throughput-performance).",
        "tuner zram": "Active: compresses swapped pages in memory (/dev/zram0).",
    }
    assert {part.state for part in tuners.found(root)} == {"ok"}


def test_a_machine_without_any_says_nothing(tmp_path: Path) -> None:
    files = {**process(1, "init"), "sys/kernel/sched_ext/state": "disabled\n", "proc/swaps": "Filename\n"}
    assert tuners.found(machine(tmp_path, files)) == []
    assert tuners.found(tmp_path / "nowhere") == []
