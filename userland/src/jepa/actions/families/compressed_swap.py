# SPDX-License-Identifier: Apache-2.0
"""Compressed memory for what is swapped out: zswap before a swap disk, zram in its place."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Final

from jepa.actions import kernel_file
from jepa.actions.attributes import Attribute, AttributeFamily
from jepa.actions.catalogue import ActionType, Value
from jepa.actions.family import Host, Resource
from jepa.errors import JepaError

_PARAMETERS: Final = "sys/module/zswap/parameters"
_SWITCH: Final = {"on": "Y", "off": "N"}


class _Limit(Attribute):
    """``mem_limit`` of zram cannot be read: its value is the fourth of ``mm_stat``, in bytes, 0 for none."""

    def read(self, file: Path, name: str) -> str:
        """In bytes, or ``none``."""
        limit = kernel_file.read(file.with_name("mm_stat"), name).split()[3]
        return "none" if limit == "0" else limit


class CompressedSwap(AttributeFamily):
    """A ``Family``. What a swap device in use cannot change (size, algorithm of zram) is not offered."""

    attributes: ClassVar[Mapping[str, Attribute]] = {
        "zswap.enabled": Attribute(f"{_PARAMETERS}/enabled", _SWITCH),
        "zswap.shrinker_enabled": Attribute(f"{_PARAMETERS}/shrinker_enabled", _SWITCH),
        "zswap.compressor": Attribute(f"{_PARAMETERS}/compressor"),
        "zswap.max_pool_percent": Attribute(f"{_PARAMETERS}/max_pool_percent"),
        "zswap.accept_threshold_percent": Attribute(f"{_PARAMETERS}/accept_threshold_percent"),
        "zram.mem_limit": _Limit("sys/block/zram*/mem_limit", {"none": "0"}),
    }

    def absent(self, host: Host, action: ActionType) -> str:
        """The kernel lacks it."""
        if action.name == "zram.mem_limit":
            return "No memory is set aside for compressed swap here: there is no zram device."
        return f"This kernel has no {action.name}."

    def missing(self, host: Host, action: ActionType) -> str | None:
        """zswap stores what is on its way to a swap disk: without one there is nothing for it to do."""
        reason = super().missing(host, action)
        if reason is None and action.name.startswith("zswap.") and not _on_disk(host):
            return "zswap has nothing to do here: no swap space lies on a disk."
        return reason

    def check(self, host: Host, action: ActionType, resource: Resource, value: Value) -> Value:
        """Refuses a limit that is used up already: nothing more could be swapped out."""
        if action.name == "zram.mem_limit" and isinstance(value, int):
            page = 4096
            value = -(-value // page) * page  # as the kernel rounds it
            for file in self.attributes[action.name].files(host).values():
                used = int(kernel_file.read(file.with_name("mm_stat"), action.name).split()[2])
                if used > value:
                    raise JepaError(
                        f"{file.parent.name} holds {used} bytes of memory already.",
                        "Choose a larger limit: with this one nothing more could be swapped out.",
                        status=422,
                    )
        return super().check(host, action, resource, value)


def _on_disk(host: Host) -> bool:
    try:
        lines = (host.root / "proc/swaps").read_text().splitlines()[1:]
    except OSError:
        return False
    return any(not line.startswith("/dev/zram") for line in lines if line)
