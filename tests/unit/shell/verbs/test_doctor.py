# SPDX-License-Identifier: Apache-2.0
"""`jepa doctor` looks at the kernel's config itself, where there is one."""

import platform
import shutil
from pathlib import Path

from jepa.shell.verbs.doctor import kernel

REAL = Path(__file__).parents[2] / "kernel_configs"


def root_with(tmp_path: Path, config: Path) -> Path:
    (tmp_path / "proc").mkdir()
    shutil.copy(config, tmp_path / "proc/config.gz")
    return tmp_path


def test_a_kernel_with_all_options_is_ok(tmp_path: Path) -> None:
    part = kernel(root_with(tmp_path, REAL / "debian-7.3-amd64.gz"))
    assert (part.name, part.state) == ("kernel", "ok")


def test_what_a_kernel_lacks_is_told_and_is_no_fault(tmp_path: Path) -> None:
    part = kernel(root_with(tmp_path, REAL / "debian-6.12-amd64.gz"))
    assert part.state == "off"
    assert "no scheduler of that kind can be loaded" in part.reason


def test_a_kernel_that_says_nothing_is_no_fault(tmp_path: Path) -> None:
    assert kernel(tmp_path).reason == "The kernel does not tell how it was configured."


def test_a_spoilt_config_is_told(tmp_path: Path) -> None:
    boot = tmp_path / "boot"
    boot.mkdir()
    (boot / f"config-{platform.release()}").write_text("nothing\n")
    part = kernel(tmp_path)
    assert part.state == "off"
    assert "has no CONFIG_ lines" in part.reason
