# SPDX-License-Identifier: Apache-2.0
"""Linters are tests: what they refuse does not land."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def tracked(*patterns: str) -> list[Path]:
    """Files that git knows, or would add, under the repository's root."""
    out = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", *patterns],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return [ROOT / name for name in out.split("\0") if name and (ROOT / name).is_file()]


def shell_scripts() -> list[Path]:
    """Every file whose first line asks for a POSIX shell or bash."""
    found = []
    for path in tracked():
        with path.open("rb") as file:
            if re.match(rb"#!.*\b(ba)?sh\b", file.readline(200)):
                found.append(path)
    return found


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["mypy"],
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_python(command: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_shell() -> None:
    shellcheck = shutil.which("shellcheck")
    assert shellcheck, "shellcheck is missing: run make test, which installs it"
    scripts = shell_scripts()
    assert scripts
    done = subprocess.run([shellcheck, *map(str, scripts)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    for script in scripts:
        assert "set -euo pipefail" in script.read_text(), f"{script} lacks set -euo pipefail"


def test_no_mirror_or_registry_is_written_down() -> None:
    hosts = re.compile(r"\b(?:[\w-]+\.)*(?:debian\.org/debian|pypi\.org|pythonhosted\.org|npmjs\.org)\b")
    wrong = []
    for path in tracked():
        if path == Path(__file__):
            continue
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        wrong += [f"{path.relative_to(ROOT)}: {match.group()}" for match in hosts.finditer(text)]
    assert not wrong, wrong
