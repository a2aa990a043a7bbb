# SPDX-License-Identifier: Apache-2.0
"""The fuller of two file systems counts, as programs see it; one that cannot fill up does not."""

import os
from collections.abc import Sequence
from typing import Any

import pytest

from jepa.telemetry.sources.filesystem import FilesystemSource, used_percent


def space(*, blocks: int, free: int, available: int, flag: int = 0) -> os.statvfs_result:
    fields: Sequence[int] = (4096, 4096, blocks, free, available, 0, 0, 0, flag, 255)
    return os.statvfs_result(fields)


def test_space_kept_for_root_counts_as_not_there() -> None:
    assert used_percent(space(blocks=100, free=20, available=0)) == 100
    assert used_percent(space(blocks=100, free=60, available=40)) == 50


def test_a_read_only_or_empty_file_system_is_absent() -> None:
    assert used_percent(space(blocks=100, free=0, available=0, flag=os.ST_RDONLY)) is None
    assert used_percent(space(blocks=0, free=0, available=0)) is None


def test_real_file_system(host: Any) -> None:
    value = FilesystemSource(host.root).read(1.0).values["system.filesystem.utilization"]
    assert value == pytest.approx(used_percent(os.statvfs(host.root)), abs=2)


def test_a_missing_var_is_said_and_the_root_still_counts(host: Any) -> None:
    (host.root / "var").rmdir()
    reading = FilesystemSource(host.root).read(1.0)
    assert set(reading.values) == {"system.filesystem.utilization"}
    assert "No such file" in reading.reason
