# SPDX-License-Identifier: Apache-2.0
"""What the collector itself costs."""

from pathlib import Path

import psutil
import pytest

from jepa.telemetry.sources.own import OwnSource


def test_cpu_is_percent_of_one_core_and_memory_is_resident() -> None:
    used = iter([1.0, 1.25])
    source = OwnSource(Path("/"), lambda: next(used))
    assert "jepa.telemetry.cpu" not in source.read(10.0).values
    values = source.read(20.0).values
    assert values["jepa.telemetry.cpu"] == pytest.approx(2.5)
    assert values["jepa.telemetry.memory"] == pytest.approx(
        psutil.Process().memory_info().rss / 2**20, rel=0.05
    )


def test_an_unreadable_file_is_told(tmp_path: Path) -> None:
    reading = OwnSource(tmp_path).read(1.0)
    assert "statm" in reading.reason
    assert reading.values == {}
