# SPDX-License-Identifier: Apache-2.0
"""What differs of two builds is named, down to the partition."""

import uuid
from pathlib import Path

import pytest

from tests.unit.tools.disk_files import disk
from tools.reproducible import COMPARED, differing

ESP, USR = ("esp", uuid.UUID(int=1), b"e" * 700), ("usr", uuid.UUID(int=2), b"u" * 5000)


def built(place: Path, *parts: tuple[str, uuid.UUID, bytes]) -> Path:
    """What a build leaves in ``place``, in small."""
    place.mkdir()
    for suffix in COMPARED:
        (place / f"jepa-os.{suffix}").write_bytes(disk(*parts) if suffix == "raw" else b"the same")
    return place


def test_two_builds_that_are_alike_differ_in_nothing(tmp_path: Path) -> None:
    one, other = (built(tmp_path / name, ESP, USR) for name in "ab")
    assert list(differing(one, other)) == []


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (("usr", USR[1], b"v" + USR[2][1:]), "partition 2 (usr)"),
        (("usr", uuid.UUID(int=3), USR[2]), "the table of partitions"),
    ],
)
def test_what_differs_of_a_disk_is_named(
    tmp_path: Path, changed: tuple[str, uuid.UUID, bytes], told: str
) -> None:
    one, other = built(tmp_path / "a", ESP, USR), built(tmp_path / "b", ESP, changed)
    assert list(differing(one, other)) == ["jepa-os.raw", f"jepa-os.raw, {told}"]


def test_every_artifact_is_compared(tmp_path: Path) -> None:
    one, other = (built(tmp_path / name, ESP, USR) for name in "ab")
    for suffix in ("efi", "initrd", "spdx.json"):
        (other / f"jepa-os.{suffix}").write_bytes(b"another")
    assert list(differing(one, other)) == ["jepa-os.efi", "jepa-os.initrd", "jepa-os.spdx.json"]
