# SPDX-License-Identifier: Apache-2.0
"""A file system that fills is seen with who writes; one that is merely full is not."""

from typing import Any

from jepa.healing.detectors.disk import DiskFilling
from jepa.healing.observation import Space
from tests.unit.healing.streams import GIB, first, observed, unit

MIB = 2**20


def test_the_writer_is_named_before_the_disk_is_full() -> None:
    def at(now: float) -> dict[str, Any]:
        return {
            "units": [unit("w.service", written=int(20 * MIB * now)), unit("quiet.service")],
            "spaces": {"/var": Space(int(4 * GIB - 20 * MIB * now), 10 * GIB)},
        }

    found = first(observed(DiskFilling(), 300, at))
    assert found is not None
    assert found[1].left_s is not None and found[1].left_s > 60
    assert [str(each) for each in found[1].offenders] == ["w.service"]


def test_a_full_disk_on_which_nothing_happens_is_nobodys_fault() -> None:
    assert first(observed(DiskFilling(), 120, lambda now: {"spaces": {"/": Space(MIB, 10 * GIB)}})) is None
