# SPDX-License-Identifier: Apache-2.0
"""Versions of the system are told from labels of partitions and from what updates have noted."""

from pathlib import Path

import pytest

from jepa.updates.versions import (
    Versions,
    forget,
    note_failed,
    note_next,
    order,
    running,
    tell,
    versions,
)
from tests.unit.updates.machines import machine, record


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("0.9", "0.10"),
        ("1.2", "1.2.1"),
        ("1.2~rc1", "1.2"),
        ("1.2~rc1", "1.2~rc2"),
        ("1.2", "2"),
        ("1", "1a"),
    ],
)
def test_versions_sort_as_persons_read_them(older: str, newer: str) -> None:
    assert order(older) < order(newer)


def test_what_is_no_image_has_no_version(tmp_path: Path) -> None:
    assert running(tmp_path) is None
    assert versions(tmp_path) is None
    (tmp_path / "usr/lib").mkdir(parents=True)
    (tmp_path / "usr/lib/os-release").write_text("ID=debian\nIMAGE_VERSION=7\n")
    assert running(tmp_path) is None


def test_a_machine_as_shipped_has_one_version(tmp_path: Path) -> None:
    root = machine(tmp_path, "esp", "jepa-os_1.2.0", "jepa-root", "_empty")
    assert versions(root) == Versions("1.2.0")


def test_an_older_one_is_the_previous(tmp_path: Path) -> None:
    found = versions(machine(tmp_path, "jepa-os_1.2.0", "jepa-os_1.1.0"))
    assert found == Versions("1.2.0", "1.1.0", "previous")
    assert tell(found) == "JEPA OS 1.2.0 runs; 1.1.0 is there to go back to."


@pytest.mark.parametrize("asked", ["1.10.0", "1.1.0"])
def test_what_was_asked_for_in_this_boot_is_pending(tmp_path: Path, asked: str) -> None:
    root = machine(tmp_path, "jepa-os_1.2.0", f"jepa-os_{asked}")
    note_next(root, asked, trial=True)
    assert versions(root) == Versions("1.2.0", asked, "pending")


@pytest.mark.parametrize(
    ("failed", "reason"),
    [
        (
            "",
            "it did not get as far as to say why: its image, its kernel or its /usr does not start here.",
        ),
        ("1.3.0\tNo forecast.\n1.3.0\tjepad does not run.\n1.1.0\tOld.\n", "jepad does not run."),
        (
            "1.3.0",
            "it did not get as far as to say why: its image, its kernel or its /usr does not start here.",
        ),
    ],
)
def test_a_newer_one_that_does_not_run_after_a_boot_has_failed(
    tmp_path: Path, failed: str, reason: str
) -> None:
    root = machine(tmp_path, "jepa-os_1.2.0", "jepa-os_1.3.0")
    record(root, "1.3.0", "before", failed=failed)
    found = versions(root)
    assert found is not None
    assert found.role == "failed"
    assert tell(found).endswith(f"1.3.0 was tried and left again: {reason}")


def test_what_an_update_left_half_done_is_incomplete(tmp_path: Path) -> None:
    found = versions(machine(tmp_path, "jepa-os_1.2.0", "jepa-os_1.3.0"))
    assert found == Versions("1.2.0", "1.3.0", "incomplete")
    assert "not put in place whole" in tell(found)


@pytest.mark.parametrize(("passed", "trial"), [("", True), ("1.1.0\n", True), ("1.2.0\n", False)])
def test_a_new_version_is_on_trial_until_it_passed_its_check(
    tmp_path: Path, passed: str, trial: bool
) -> None:
    root = machine(tmp_path, "jepa-os_1.2.0", "jepa-os_1.1.0")
    record(root, "1.2.0", "before", passed=passed)
    found = versions(root)
    assert found is not None
    assert (found.trial, found.role) == (trial, "previous")
    assert ("on trial" in tell(found)) == trial


@pytest.mark.parametrize("content", ["", "[]", "{", '{"version": 1}'])
def test_a_damaged_record_is_no_fault(tmp_path: Path, content: str) -> None:
    root = machine(tmp_path, "jepa-os_1.2.0", "jepa-os_1.3.0")
    record(root, "1.3.0", "now")
    (root / "var/lib/jepa-update/next.json").write_text(content)
    found = versions(root)
    assert found is not None
    assert found.role == "incomplete"


def test_what_is_put_in_place_anew_starts_without_a_past(tmp_path: Path) -> None:
    root = machine(tmp_path, "jepa-os_1.2.0", "jepa-os_1.3.0")
    record(root, "1.3.0", "before", failed="1.3.0\tNo.\n1.1.0\tOld.\n", passed="1.2.0\n1.3.0\n")
    forget(root, "1.3.0")
    state = root / "var/lib/jepa-update"
    assert (state / "failed").read_text() == "1.1.0\tOld.\n"
    assert (state / "passed").read_text() == "1.2.0\n"


def test_a_reason_is_kept_short(tmp_path: Path) -> None:
    root = machine(tmp_path, "jepa-os_1.2.0", "jepa-os_1.3.0")
    note_failed(root, "1.3.0", "x" * 9999)
    found = versions(root)
    assert found is not None
    assert len(found.reason) == 500
