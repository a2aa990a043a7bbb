# SPDX-License-Identifier: Apache-2.0
"""The units of the image are sandboxed, and systemd says so."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tools.vm.image import ROOT

EXTRA = ROOT / "mkosi.extra"
UNITS = EXTRA / "usr/lib/systemd/system"
FREE = {
    *("jepa-console@", "jepa-grow", "jepa-boot-check", "jepa-packs", "jepa-install"),
    *("jepa-packs-update", "jepa-request-factory-reset", "jepa-ssh-key"),
}
"""A person's shell, and helpers that partition disks, start the machine anew, mount for everybody,
write a variable of the firmware, make a system's user and its key."""
CHANGING = {"jepa-actuator", "jepa-recovery"}
"""What sets the kernel and other processes, as root."""
SANDBOXED = sorted({unit.stem for unit in UNITS.glob("jepa*.service")} - FREE)


@pytest.mark.parametrize("unit", SANDBOXED)
def test_every_service_is_in_a_tight_sandbox(unit: str) -> None:
    """1.7 is what a helper that runs as root can reach, 2.5 one that sets things; the scale ends at 10."""
    command = ["systemd-analyze", "security", "--offline=true", f"--root={EXTRA}", "--no-pager"]
    done = subprocess.run(
        [*command, f"{unit}.service"], capture_output=True, text=True, timeout=60, check=True
    )
    exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert exposure, done.stderr
    assert float(exposure[1]) <= (2.5 if unit in CHANGING else 1.7)


@pytest.mark.parametrize("unit", SANDBOXED)
def test_the_sandbox_is_shared_and_no_line_of_it_is_written_again(unit: str) -> None:
    shared = EXTRA / "usr/lib/jepa/sandbox.conf"
    assert (UNITS / f"{unit}.service.d/00-sandbox.conf").resolve() == shared
    names = set(re.findall(r"^(\w+)=", shared.read_text(), re.MULTILINE))
    own = set(re.findall(r"^(\w+)=", (UNITS / f"{unit}.service").read_text(), re.MULTILINE))
    assert names & own == set()


@pytest.mark.parametrize("unit", sorted(CHANGING))
def test_what_changes_the_machine_can_write_to_it(unit: str) -> None:
    """A drop-in wins over its unit and over drop-ins with lower numbers."""
    drop_ins = sorted((UNITS / f"{unit}.service.d").iterdir())
    lines = "\n".join(drop_in.read_text() for drop_in in drop_ins).splitlines()
    for name in ("ProtectControlGroups", "ProtectKernelTunables"):
        assert [line for line in lines if line.startswith(f"{name}=")][-1] == f"{name}=no"


def test_any_other_drop_in_wins_over_the_sandbox() -> None:
    links = sorted(UNITS.glob("*/*-sandbox.conf"))
    assert links
    assert {link.name for link in links} == {"00-sandbox.conf"}


def test_nothing_leaves_a_machine_unless_its_owner_enables_it(tmp_path: Path) -> None:
    shutil.copytree(EXTRA / "usr/lib/systemd", tmp_path / "usr/lib/systemd", symlinks=True)
    names = ("jepa-record.service", "jepa-upload.timer", "jepa-figures.socket", "jepa-packs-update.timer")
    sending = [UNITS / name for name in names]
    assert all(unit.exists() for unit in sending)
    systemctl = ["systemctl", f"--root={tmp_path}"]
    subprocess.run([*systemctl, "preset-all"], check=True, capture_output=True, timeout=60)
    enabled = {link.name for link in (tmp_path / "etc").rglob("*.wants/*")}
    assert "jepa-telemetry.service" in enabled
    assert not enabled & {unit.name for unit in sending}
    assert {
        unit for unit in SANDBOXED if "\nIPAddressAllow=any\n" in (UNITS / f"{unit}.service").read_text()
    } == {"jepa-upload"}
