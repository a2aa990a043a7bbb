# SPDX-License-Identifier: Apache-2.0
"""TCP's own counters in /proc/net: connections nobody accepted, and stand-ins for the kernel's programs."""

from collections.abc import Mapping
from pathlib import Path

from jepa.telemetry.sources.base import KernelFile, Previous, count, grown

_FILES = {
    "snmp": {
        "Tcp RetransSegs": "system.network.tcp.retransmits",
        "Tcp ActiveOpens": "system.network.tcp.opened",
        "Tcp PassiveOpens": "system.network.tcp.accepted",
    },
    "netstat": {"TcpExt ListenOverflows": "system.network.tcp.accept.overflows"},
}


def parse_counters(content: bytes, wanted: Mapping[str, str]) -> dict[str, int]:
    """The ``wanted`` counters, such as ``Tcp ActiveOpens``: each pair of lines is names and numbers."""
    found: dict[str, int] = {}
    lines = content.splitlines()
    for names, numbers in zip(lines[::2], lines[1::2], strict=False):
        title, _, columns = names.partition(b": ")
        mine = [key for key in wanted if key.startswith(f"{title.decode(errors='replace')} ")]
        numbered, _, fields = numbers.partition(b": ")
        if not mine or title != numbered:
            continue
        places = columns.split()
        values = fields.split()
        for key in mine:
            name = key.split()[1].encode()
            if name in places and places.index(name) < len(values):
                number = count(values[places.index(name)])
                if number is not None:
                    found[key] = number
    return found


class SnmpReader:
    """Reads /proc/net/snmp and netstat below ``root``: of this network namespace alone."""

    def __init__(self, root: Path) -> None:
        self._files = {name: KernelFile(root / "proc/net" / name) for name in _FILES}
        self._previous: Previous[Mapping[str, int]] = Previous()

    def read(self, now: float) -> dict[str, float]:
        """Rates a second since the last call; what cannot be read is missing."""
        found: dict[str, int] = {}
        for name, file in self._files.items():
            try:
                counters = parse_counters(file.read(), _FILES[name])
            except OSError:
                continue
            found |= {_FILES[name][key]: counter for key, counter in counters.items()}
        before = self._previous.swap(found, now)
        if before is None:
            return {}
        rates: dict[str, float] = {}
        for channel, counter in found.items():
            more = grown(before[0].get(channel), counter)
            if more is not None:
                rates[channel] = more / before[1]
        return rates

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()
