# SPDX-License-Identifier: Apache-2.0
"""What goes into the VM to record there."""

import shutil
import subprocess
import sys
from pathlib import Path

from tools.record_vm import PARTS
from tools.vm.image import ROOT


def test_what_is_taken_along_records_without_the_rest(tmp_path: Path) -> None:
    for part in PARTS:
        source, there = ROOT / "userland/src/jepa_lab" / part, tmp_path / "jepa_lab" / part
        there.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, there)
    (tmp_path / "jepa").symlink_to(ROOT / "userland/src/jepa")
    # No PyTorch there, as in the image: whoever imports it fails.
    (tmp_path / "torch.py").write_text("raise ImportError('not in the image')\n", encoding="utf-8")
    command = [sys.executable, "-m", "jepa_lab.cli", "record", "--plan", "trials", "--only", "none-such"]
    done = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert "has no session 'none-such'" in done.stderr, done.stderr
