# SPDX-License-Identifier: Apache-2.0
"""`make kernel-check` says what a kernel lacks, and fails for it."""

import sys
from pathlib import Path

import pytest

from tools import kernel_check

REAL = Path(__file__).parents[1] / "kernel_configs"


def check(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["kernel_check", *arguments])
    return kernel_check.main()


def test_a_kernel_that_has_all_passes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(monkeypatch, str(REAL / "debian-7.3-arm64.gz")) == 0
    assert "nothing is missing" in capsys.readouterr().out


def test_each_missing_option_is_named_with_what_was_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(monkeypatch, str(REAL / "debian-6.12-amd64.gz")) == 1
    said = capsys.readouterr().out
    assert "control.config: Schedulers as programs." in said
    assert "    CONFIG_SCHED_CLASS_EXT is off; wanted: built in" in said


def test_without_an_image_it_says_how_to_get_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(kernel_check, "BUILD", tmp_path)
    assert check(monkeypatch) == 1
    assert capsys.readouterr().err.endswith("make image\n")
    assert check(monkeypatch, "--architecture", "arm64") == 1
    assert "make image ARCH=arm64" in capsys.readouterr().err
