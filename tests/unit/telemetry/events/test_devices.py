# SPDX-License-Identifier: Apache-2.0
"""What of udev's news is told as an event."""

import pytest

from jepa.telemetry.events.devices import kind_of


@pytest.mark.parametrize(
    ("action", "subsystem", "properties", "kind"),
    [
        ("add", "usb", {}, "device_added"),
        ("remove", "block", {"DEVTYPE": "partition"}, "device_removed"),
        ("change", "power_supply", {"POWER_SUPPLY_ONLINE": "0"}, "device_changed"),
        ("change", "block", {"DISK_MEDIA_CHANGE": "1"}, "device_changed"),
        ("change", "block", {"RESIZE": "1"}, "device_changed"),
        ("bind", "usb", {}, None),
        ("add", "workqueue", {}, None),
    ],
)
def test_news_has_the_kind_of_its_action(
    action: str, subsystem: str, properties: dict[str, str], kind: str | None
) -> None:
    assert kind_of(action, subsystem, properties) == kind


def test_a_partition_that_somebody_wrote_to_and_closed_is_no_news() -> None:
    assert kind_of("change", "block", {"DEVTYPE": "partition", "ID_FS_TYPE": "ext4"}) is None
