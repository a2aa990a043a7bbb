# SPDX-License-Identifier: Apache-2.0
"""Disks' health: what reports complain of is told once, when it appears, and rubbish is passed over."""

import json
import select
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.telemetry.events.health import HealthReports, complaints

NVME: dict[str, Any] = {
    "local_time": {"time_t": 1_790_000_000},
    "model_name": "QEMU NVMe Ctrl",
    "smart_status": {"passed": True, "nvme": {"value": 0}},
    "nvme_smart_health_information_log": {
        "critical_warning": 0,
        "available_spare": 100,
        "percentage_used": 3,
        "media_errors": 0,
    },
}


def ata(*rows: Mapping[str, Any]) -> dict[str, Any]:
    return {"smart_status": {"passed": True}, "ata_smart_attributes": {"table": list(rows)}}


def nvme(**log: int) -> dict[str, Any]:
    return NVME | {"nvme_smart_health_information_log": NVME["nvme_smart_health_information_log"] | log}


@pytest.mark.parametrize(
    ("report", "severity", "text"),
    [
        (NVME | {"smart_status": {"passed": False}}, "critical", "its own check fails"),
        (nvme(critical_warning=0x04), "error", "unreliable"),
        (nvme(critical_warning=0x08), "error", "takes no more writes"),
        (nvme(percentage_used=103), "warning", "103 %"),
        (nvme(media_errors=7), "warning", "7 errors"),
        (ata({"id": 197, "name": "Current_Pending_Sector", "raw": {"value": 8}}), "warning", "8 pending"),
        (ata({"id": 3, "name": "Spin_Up_Time", "when_failed": "now"}), "error", "Spin_Up_Time"),
        ({"scsi_grown_defect_list": 12}, "warning", "12 defects"),
    ],
)
def test_what_a_disk_complains_of_is_understood(report: dict[str, Any], severity: str, text: str) -> None:
    ((found, what),) = complaints(report)
    assert found == severity
    assert text in what


@pytest.mark.parametrize(
    "report",
    [
        NVME,
        ata({"id": 5, "name": "Reallocated_Sector_Ct", "when_failed": "", "raw": {"value": 0}}),
        ata({"id": 194, "name": "Temperature_Celsius", "when_failed": "past", "raw": {"value": 30}}),
        {"smartctl": {"exit_status": 1, "messages": [{"string": "Unable to detect device type"}]}},
    ],
)
def test_a_disk_that_is_well_or_says_nothing_is_no_news(report: dict[str, Any]) -> None:
    assert complaints(report) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["smart_status", "passed", "ata_smart_attributes", "table", "raw", "id"])
            | st.sampled_from(["nvme_smart_health_information_log", "critical_warning", "media_errors"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_any_report_is_complaints_or_none(report: object) -> None:
    for severity, text in complaints(report if isinstance(report, dict) else {}):
        assert severity in {"warning", "error", "critical"}
        assert text


@pytest.fixture
def health(tmp_path: Path) -> Iterator[HealthReports]:
    source = HealthReports(tmp_path, wall_ns=lambda: 5)
    yield source
    source.close()


def put(folder: Path, disk: str, report: object) -> None:
    """As jepa-health does it: written aside, then moved into place."""
    (folder / f".{disk}").write_text(report if isinstance(report, str) else json.dumps(report))
    (folder / f".{disk}").rename(folder / f"{disk}.json")


def news(health: HealthReports) -> list[tuple[str | None, str]]:
    """What is told if there is anything to read; that there is nothing more to read afterwards."""
    if not select.select([health.fd], [], [], 0)[0]:
        return []
    events = health.ready()
    assert not select.select([health.fd], [], [], 0)[0]
    return [(event.unit, event.severity) for event in events]


def test_a_complaint_is_told_when_it_appears_and_once(health: HealthReports, tmp_path: Path) -> None:
    assert news(health) == []
    put(tmp_path, "nvme0n1", NVME)
    assert news(health) == []
    put(tmp_path, "nvme0n1", nvme(critical_warning=1))
    assert news(health) == [("/dev/nvme0n1", "error")]
    put(tmp_path, "nvme0n1", nvme(critical_warning=1))
    assert news(health) == []
    put(tmp_path, "nvme0n1", nvme(critical_warning=9))
    assert news(health) == [("/dev/nvme0n1", "error")]


def test_a_report_that_was_there_before_is_told_at_once_with_its_own_time(tmp_path: Path) -> None:
    put(tmp_path, "sda", nvme(media_errors=1))
    for _ in range(2):
        health = HealthReports(tmp_path)
        assert select.select([health.fd], [], [], 0)[0]
        (event,) = health.ready()
        assert event.ts_ns == 1_790_000_000_000_000_000
        assert event.detail == "QEMU NVMe Ctrl: 1 errors of its medium"
        health.close()


def test_a_warning_ends_when_the_disk_is_gone(health: HealthReports, tmp_path: Path) -> None:
    put(tmp_path, "sda", nvme(media_errors=1))
    assert len(news(health)) == 1
    (tmp_path / "sda.json").unlink()
    (over,) = health.ready()
    assert (over.kind, over.unit) == ("health_recovered", "/dev/sda")
    assert health.ready() == []
    put(tmp_path, "sda", nvme(media_errors=1))
    assert len(news(health)) == 1


def test_a_warning_ends_when_nothing_is_wrong_any_more_and_only_then(
    health: HealthReports, tmp_path: Path
) -> None:
    put(tmp_path, "sda", nvme(critical_warning=3))
    assert len(health.ready()) == 2
    put(tmp_path, "sda", nvme(critical_warning=1))
    assert health.ready() == [], "one of two complaints is left"
    put(tmp_path, "sda", {"smartctl": {"exit_status": 2}})
    assert health.ready() == [], "the disk did not answer"
    put(tmp_path, "sda", NVME)
    (over,) = health.ready()
    assert (over.kind, over.unit, over.severity) == ("health_recovered", "/dev/sda", "info")
    put(tmp_path, "sda", NVME)
    assert health.ready() == []


@pytest.mark.parametrize("rubbish", ["", "{", "[]", "[" * 100_000, "\0", '{"local_time": 5}'])
def test_rubbish_is_passed_over_and_the_others_are_told(
    health: HealthReports, tmp_path: Path, rubbish: str
) -> None:
    put(tmp_path, "sda", rubbish)
    put(tmp_path, "sdb", nvme(media_errors=1))
    assert news(health) == [("/dev/sdb", "warning")]


def test_without_a_directory_it_is_an_error_that_names_it_and_leaves_no_descriptor(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(FileNotFoundError) as failed:
        HealthReports(tmp_path / "nothing")
    assert str(failed.value.filename) == str(tmp_path / "nothing")
    assert len(list(Path("/proc/self/fd").iterdir())) == before
