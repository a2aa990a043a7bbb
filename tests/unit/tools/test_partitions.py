# SPDX-License-Identifier: Apache-2.0
"""The partitions of a disk in a file are found with their places."""

import uuid
from pathlib import Path

import pytest

from tests.unit.tools.disk_files import disk
from tools.partitions import Partition, labelled, partitions

ONE, TWO = uuid.UUID(int=1), uuid.UUID(int=2)


def test_partitions_come_in_the_order_of_the_table(tmp_path: Path) -> None:
    path = tmp_path / "disk"
    path.write_bytes(disk(("esp", ONE, b"a" * 512), ("jepa-os_1.2", TWO, b"b" * 1000)))
    first = Partition("esp", ONE, 34 * 512, 512)
    second = Partition("jepa-os_1.2", TWO, 35 * 512, 1024)
    assert partitions(path) == [first, second]
    assert labelled(path, "jepa-os_1.2") == second
    assert path.read_bytes()[second.start :][:1000] == b"b" * 1000


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    path = tmp_path / "disk"
    path.write_bytes(disk(("esp", ONE, b"a")))
    with pytest.raises(ValueError, match="no partition root"):
        labelled(path, "root")
    path.write_bytes(bytes(4096))
    with pytest.raises(ValueError, match="no GUID partition table"):
        partitions(path)
