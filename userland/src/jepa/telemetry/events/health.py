# SPDX-License-Identifier: Apache-2.0
"""Events of disks that say they are failing or wearing out: news in the reports of smartctl.

Asking a disk takes root, so jepa-health.service does that and leaves one JSON report a disk in a directory.
"""

import ctypes
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from jepa.telemetry.events.event import Event
from jepa.telemetry.events.wear import forecasts, mapping, number

REPORTS = Path("/run/jepa-health")
_IN_MOVED_TO, _IN_DELETE = 0x80, 0x200
_NEWS_BYTES = 1 << 14
_LARGEST_REPORT = 1 << 20
_MOST_REPORTS = 256
_NVME_WARNINGS = {
    0x01: "its spare blocks run out",
    0x02: "it is too hot or too cold",
    0x04: "it has become unreliable",
    0x08: "it takes no more writes",
    0x10: "its memory is no longer kept over a power cut",
    0x20: "its persistent memory has become unreliable",
}
"""Bits of critical_warning in the SMART / Health Information log (NVM Express base specification)."""
_ATA_SECTORS = {5: "reallocated", 197: "pending", 198: "uncorrectable"}
"""Attributes of which any nonzero count predicts failure (Pinheiro et al., FAST 2007)."""
_WORN_PERCENT = 100

Complaint = tuple[str, str]
"""Severity, and what is wrong."""


def complaints(report: Mapping[str, Any]) -> list[Complaint]:
    """What a report of `smartctl --json --info --health --attributes` complains of, now or soon; or nothing.

    What a report lacks, or gives in another type than smartctl does, is passed over.
    """
    found = [*_verdict(report), *_nvme(report), *_ata(report), *forecasts(report)]
    defects = number(report.get("scsi_grown_defect_list"))
    return [*found, ("warning", f"{defects} defects have grown")] if defects else found


def _verdict(report: Mapping[str, Any]) -> Iterator[Complaint]:
    if mapping(report.get("smart_status")).get("passed") is False:
        yield "critical", "its own check fails: copy what is on it"


def _nvme(report: Mapping[str, Any]) -> Iterator[Complaint]:
    log = mapping(report.get("nvme_smart_health_information_log"))
    bits = number(log.get("critical_warning"))
    for bit, text in _NVME_WARNINGS.items():
        if bits & bit:
            yield "error", text
    used = number(log.get("percentage_used"))
    if used >= _WORN_PERCENT:
        yield "warning", f"{used} % of the life it was made for is used"
    errors = number(log.get("media_errors"))
    if errors:
        yield "warning", f"{errors} errors of its medium"


def _ata(report: Mapping[str, Any]) -> Iterator[Complaint]:
    table = mapping(report.get("ata_smart_attributes")).get("table")
    for row in table if isinstance(table, list) else []:
        attribute = mapping(row)
        kind = _ATA_SECTORS.get(number(attribute.get("id")))
        # Some makers keep other figures in the upper half of the raw value.
        sectors = number(mapping(attribute.get("raw")).get("value")) & 0xFFFFFFFF
        if kind is not None and sectors:
            yield "warning", f"{sectors} {kind} sectors"
        if attribute.get("when_failed") == "now":
            yield "error", f"{attribute.get('name')} is below what its maker allows"


class HealthReports:
    """The reports in ``folder``. Making one raises OSError where there is no such directory."""

    name = "health"

    def __init__(self, folder: Path = REPORTS, wall_ns: Callable[[], int] = time.time_ns) -> None:
        self._folder = folder
        self._wall_ns = wall_ns
        self._told: dict[str, set[Complaint]] = {}
        self.fd = _watch(folder)

    def ready(self) -> list[Event]:
        """What is wrong with a disk now and was not before, and disks that complain of nothing any more.

        A repeated complaint is reported once.
        """
        try:
            while os.read(self.fd, _NEWS_BYTES):
                pass
        except BlockingIOError:
            pass
        events: list[Event] = []
        reports = sorted(self._folder.glob("*.json"))[:_MOST_REPORTS]
        for path in reports:
            events += self._judge(path)
        for gone in self._told.keys() - {path.stem for path in reports}:
            if self._told.pop(gone):
                events.append(self._recovered(gone, self._wall_ns(), "the disk is not there any more"))
        return events

    def _judge(self, path: Path) -> list[Event]:
        report = _read(path)
        found = complaints(report)
        if not found and mapping(report.get("smart_status")).get("passed") is not True:
            return []  # no report, or one that says nothing of the disk: what was wrong may be so still
        before = self._told.get(path.stem, set())
        new = [each for each in found if each not in before]
        self._told[path.stem] = set(found)
        model = report.get("model_name") or report.get("scsi_model_name") or "disk"
        # The report's own time, so that one that is read again gives no other event.
        at_s = number(mapping(report.get("local_time")).get("time_t"))
        ts_ns = at_s * 1_000_000_000 or self._wall_ns()
        if before and not found:
            return [self._recovered(path.stem, ts_ns, f"{model}: nothing is wrong with it any more")]
        return [
            Event(ts_ns, "health_warning", f"/dev/{path.stem}", f"{model}: {text}", severity, self.name)
            for severity, text in new
        ]

    def _recovered(self, disk: str, ts_ns: int, detail: str) -> Event:
        return Event(ts_ns, "health_recovered", f"/dev/{disk}", detail, "info", self.name)

    def close(self) -> None:
        """Stop watching."""
        os.close(self.fd)


def _read(path: Path) -> Mapping[str, Any]:
    """The report in ``path``; an empty one when it has gone or is none."""
    try:
        with path.open("rb") as file:
            return mapping(json.loads(file.read(_LARGEST_REPORT)))
    except (OSError, ValueError, RecursionError):
        return {}


def _watch(folder: Path) -> int:
    """A descriptor that is readable at once, and then whenever a file is put into ``folder`` or removed."""
    libc = ctypes.CDLL(None, use_errno=True)
    fd = int(libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
    if fd < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    # The end of a watch is news as well: with it the reports that are there already are looked at.
    libc.inotify_rm_watch(fd, libc.inotify_add_watch(fd, b"/", _IN_DELETE))
    if libc.inotify_add_watch(fd, os.fsencode(folder), _IN_MOVED_TO | _IN_DELETE) < 0:
        number = ctypes.get_errno()
        os.close(fd)
        raise OSError(number, os.strerror(number), str(folder))
    return fd
