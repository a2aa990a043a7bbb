# SPDX-License-Identifier: Apache-2.0
"""A disk that wears out within three months is told of, with the time left; one with long to live is not."""

from typing import Any

import pytest

from jepa.telemetry.events.health import complaints
from jepa.telemetry.events.wear import forecasts


def nvme(hours: int, **log: int) -> dict[str, Any]:
    return {"power_on_time": {"hours": hours}, "nvme_smart_health_information_log": log}


@pytest.mark.parametrize(
    ("report", "severity", "text"),
    [
        (
            nvme(20_000, percentage_used=92),
            "warning",
            "the life it was made for will be used up within 90 days",
        ),
        (nvme(20_000, percentage_used=97), "warning", "within 30 days"),
        (nvme(10_000, percentage_used=99), "error", "within 7 days"),
        (
            nvme(6_000, percentage_used=3, available_spare=30, available_spare_threshold=10),
            "warning",
            "its spare blocks will be used up within",
        ),
        (
            {"power_on_time": {"hours": 9_000}, "endurance_used": {"current_percent": 90}},
            "warning",
            "the life it was made for",
        ),
    ],
)
def test_what_wears_out_soon_is_told_with_the_time_left(
    report: dict[str, Any], severity: str, text: str
) -> None:
    ((found, what),) = forecasts(report)
    assert found == severity
    assert text in what
    assert "plan to replace it" in what
    assert (found, what) in complaints(report)


@pytest.mark.parametrize(
    "report",
    [
        nvme(20_000, percentage_used=50, available_spare=100, available_spare_threshold=10),
        nvme(100, percentage_used=3, available_spare=99),  # its pace is not known yet
        nvme(20_000, percentage_used=104),  # worn out already: a complaint, no forecast
        nvme(5, percentage_used=60),
        {"nvme_smart_health_information_log": {"percentage_used": 90}},
        {"power_on_time": None, "endurance_used": [1]},
    ],
)
def test_one_with_long_to_live_or_an_unknown_pace_is_not(report: dict[str, Any]) -> None:
    assert list(forecasts(report)) == []


def test_the_text_stays_the_same_while_the_time_left_does() -> None:
    texts = {tuple(forecasts(nvme(hours, percentage_used=95))) for hours in range(20_000, 20_400, 24)}
    assert len(texts) == 1
