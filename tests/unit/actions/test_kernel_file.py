# SPDX-License-Identifier: Apache-2.0
"""Whatever the kernel answers to a read or write of one of its files is told in one sentence."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jepa.actions import kernel_file
from jepa.errors import JepaError

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may set kernel parameters")
SWAPPINESS = Path("/proc/sys/vm/swappiness")


def test_spaces_and_line_ends_are_made_single_spaces(tmp_path: Path) -> None:
    file = tmp_path / "tcp_rmem"
    file.write_text("4096\t131072\t 6291456\n")
    assert kernel_file.read(file, "tcp_rmem") == "4096 131072 6291456"


def test_a_file_that_is_gone_is_neither_read_nor_made_anew(tmp_path: Path) -> None:
    with pytest.raises(JepaError, match=r"^x is gone\.") as read:
        kernel_file.read(tmp_path / "x", "x")
    with pytest.raises(JepaError, match=r"^x is gone\.") as written:
        kernel_file.write(tmp_path / "x", "1", "x")
    assert (read.value.status, written.value.status) == (409, 409)
    assert not (tmp_path / "x").exists()


@needs_root
def test_a_value_that_the_kernel_refuses_changes_nothing() -> None:
    old = SWAPPINESS.read_text()
    with pytest.raises(
        JepaError, match=r"does not take 100000 for vm\.swappiness: Invalid argument"
    ) as refused:
        kernel_file.write(SWAPPINESS, "100000", "vm.swappiness")
    assert refused.value.status == 422
    assert SWAPPINESS.read_text() == old


TRY = """
import os, sys
from pathlib import Path
from jepa.actions import kernel_file
from jepa.errors import JepaError

if os.geteuid() == 0 and "nobody" in sys.argv:
    os.setuid(65534)
file = Path("/proc/sys/vm/swappiness")
print(kernel_file.missing(file, "vm.swappiness"))
try:
    kernel_file.write(file, "1", "vm.swappiness")
except JepaError as error:
    print(error.status, error)
"""


def said(*command: str) -> list[str]:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def test_without_rights_it_is_said_before_and_at_the_attempt() -> None:
    assert said(sys.executable, "-c", TRY, "nobody") == [
        "Only root may set vm.swappiness.",
        "403 vm.swappiness cannot be set: Permission denied. Act as root.",
    ]


@needs_root
def test_a_read_only_mount_is_told(tmp_path: Path) -> None:
    (tmp_path / "try.py").write_text(TRY)
    inside = f"mount --bind -o ro /proc/sys /proc/sys && {sys.executable} {tmp_path / 'try.py'}"
    assert said("unshare", "--mount", "sh", "-c", inside) == [
        "vm.swappiness cannot be set here: /proc/sys/vm/swappiness is mounted read-only.",
        "403 vm.swappiness cannot be set: Read-only file system. It is read-only here, as in a container.",
    ]
