# SPDX-License-Identifier: Apache-2.0
"""`jepa doctor` looks at the kernel's config and the firmware itself, where there is something to see."""

import platform
import shutil
from pathlib import Path

import pytest

from jepa.secure_boot import LOCKDOWN, VARIABLES
from jepa.shell.verbs.doctor import firmware, kernel

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


def started_by(root: Path, *, lockdown: str = "[none] integrity confidentiality", **flags: bytes) -> Path:
    """A root of a machine whose firmware has the variables ``flags``, of 4 bytes of attributes and these."""
    place = root / VARIABLES
    place.mkdir(parents=True)
    for name, content in flags.items():
        (place / f"{name}-8be4df61-93ca-11d2-aa0d-00e098032b8c").write_bytes(b"\6\0\0\0" + content)
    (root / LOCKDOWN).parent.mkdir(parents=True)
    (root / LOCKDOWN).write_text(f"{lockdown}\n")
    return root


def test_firmware_that_checks_signatures_is_ok(tmp_path: Path) -> None:
    locked = "none [integrity] confidentiality"
    part = firmware(started_by(tmp_path, lockdown=locked, SecureBoot=b"\1", SetupMode=b"\0"))
    assert (part.name, part.state) == ("secure boot", "ok")
    assert part.reason == "The firmware starts only what is signed. The kernel's lockdown is at integrity."


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ({"SecureBoot": b"\0", "SetupMode": b"\0"}, "is switched off"),
        ({"SecureBoot": b"\0", "SetupMode": b"\1"}, "has no keys yet"),
        ({}, "does not tell"),
        ({"SecureBoot": b""}, "does not tell"),
    ],
)
def test_firmware_that_does_not_is_told_and_is_no_fault(
    tmp_path: Path, flags: dict[str, bytes], told: str
) -> None:
    part = firmware(started_by(tmp_path, **flags))
    assert part.state == "off"
    assert told in part.reason


def test_a_machine_without_uefi_is_no_fault(tmp_path: Path) -> None:
    part = firmware(tmp_path)
    assert part.state == "off"
    assert "not started by UEFI" in part.reason
