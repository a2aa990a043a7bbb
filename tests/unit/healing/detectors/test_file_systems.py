# SPDX-License-Identifier: Apache-2.0
"""A file system that the kernel stopped is a fault of it; the services that it is a part of can mend it."""

from jepa.healing.detectors.file_systems import FileSystemFailed
from jepa.healing.observation import Broken
from tests.unit.healing.streams import first, observed


def test_one_that_takes_no_writes_is_seen_at_once_with_whom_to_restart() -> None:
    broken = {"/srv/shop": Broken("emergency_ro", ("shop.service",)), "/srv/own": Broken("emergency_ro")}
    found = [each for _, each in observed(FileSystemFailed(), 0, lambda now: {"broken": broken})]
    assert [(each.subject, [str(who) for who in each.offenders]) for each in found[0]] == [
        ("/srv/shop", ["shop.service"]),
        ("/srv/own", []),
    ]
    assert first(observed(FileSystemFailed(), 60, lambda now: {})) is None
