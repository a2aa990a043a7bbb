# SPDX-License-Identifier: Apache-2.0
"""Compressed memory for what is swapped out: zswap, before a swap disk."""

from collections.abc import Mapping
from typing import ClassVar, Final

from jepa.actions.attributes import Attribute, AttributeFamily
from jepa.actions.catalogue import ActionType
from jepa.actions.family import Host

_PARAMETERS: Final = "sys/module/zswap/parameters"
_SWITCH: Final = {"on": "Y", "off": "N"}


class CompressedSwap(AttributeFamily):
    """A ``Family``. zram, in use, can change neither size nor algorithm, and so has no action here."""

    attributes: ClassVar[Mapping[str, Attribute]] = {
        "zswap.enabled": Attribute(f"{_PARAMETERS}/enabled", _SWITCH),
        "zswap.shrinker_enabled": Attribute(f"{_PARAMETERS}/shrinker_enabled", _SWITCH),
        "zswap.compressor": Attribute(f"{_PARAMETERS}/compressor"),
        "zswap.max_pool_percent": Attribute(f"{_PARAMETERS}/max_pool_percent"),
        "zswap.accept_threshold_percent": Attribute(f"{_PARAMETERS}/accept_threshold_percent"),
    }

    def missing(self, host: Host, action: ActionType) -> str | None:
        """zswap stores what is on its way to a swap disk: without one there is nothing for it to do."""
        reason = super().missing(host, action)
        if reason is None and not _on_disk(host):
            return "zswap has nothing to do here: no swap space lies on a disk."
        return reason


def _on_disk(host: Host) -> bool:
    try:
        lines = (host.root / "proc/swaps").read_text().splitlines()[1:]
    except OSError:
        return False
    return any(not line.startswith("/dev/zram") for line in lines if line)
