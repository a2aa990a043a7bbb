# SPDX-License-Identifier: Apache-2.0
"""When a disk will be worn out, from what smartctl reports of its life so far."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

NEAR_DAYS: Final = ((7, "error"), (30, "warning"), (90, "warning"))
"""Days of running that are left, at most, and how severe that is: told once when each is reached."""
LEAST_USED: Final = 20
"""Percent of wear or of spare blocks that must be used before the pace is known: reports tell whole ones."""
_LEAST_HOURS: Final = 24


def forecasts(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Severity and text of each part of a disk that wears out within three months at its pace so far.

    A report that lacks its hours or its wear gives none. The wear is NVMe's, or of any disk smartctl's
    ``endurance_used``; what is worn out already is a complaint of its own.
    """
    hours = number(mapping(report.get("power_on_time")).get("hours"))
    if hours < _LEAST_HOURS:
        return
    log = mapping(report.get("nvme_smart_health_information_log"))
    used = number(log.get("percentage_used")) or number(
        mapping(report.get("endurance_used")).get("current_percent")
    )
    yield from _told("the life it was made for", used, 100 - used, hours)
    spare = log.get("available_spare")
    if isinstance(spare, int) and not isinstance(spare, bool):
        left = spare - number(log.get("available_spare_threshold"))
        yield from _told("its spare blocks", 100 - spare, left, hours)


def _told(what: str, used: int, left: int, hours: int) -> Iterator[tuple[str, str]]:
    if used < LEAST_USED or left <= 0:
        return
    days = hours * left / used / 24
    for most, severity in NEAR_DAYS:
        if days <= most:
            yield (
                severity,
                f"at its pace so far, {what} will be used up within {most} days of running: "
                "plan to replace it, and copy what is on it",
            )
            return


def mapping(value: object) -> Mapping[str, Any]:
    """``value`` if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def number(value: object) -> int:
    """``value`` if it is a whole number that is not negative, else 0."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
