# SPDX-License-Identifier: Apache-2.0
"""Network traffic and errors, from /proc/net/dev."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from jepa.telemetry.sources.base import KernelFile, Previous, Reading, at, why


@dataclass(frozen=True, slots=True)
class InterfaceSample:
    """Counters of one interface since it appeared."""

    bytes_in: int
    packets_in: int
    errors_in: int
    dropped_in: int
    bytes_out: int
    packets_out: int
    errors_out: int
    dropped_out: int


_COLUMNS = (0, 1, 2, 3, 8, 9, 10, 11)


def parse_net_dev(content: bytes) -> dict[str, InterfaceSample]:
    """Read /proc/net/dev; a line that is short or malformed is left out."""
    interfaces: dict[str, InterfaceSample] = {}
    for line in content.splitlines():
        name, colon, rest = line.rpartition(b":")
        columns = rest.split()
        numbers = [at(columns, position) for position in _COLUMNS]
        known = [number for number in numbers if number is not None]
        if colon and name.strip() and len(known) == len(_COLUMNS):
            interfaces[name.strip().decode("utf-8", "replace")] = InterfaceSample(*known)
    return interfaces


def derive(
    before: Mapping[str, InterfaceSample], after: Mapping[str, InterfaceSample], seconds: float
) -> dict[str, float]:
    """Totals over the interfaces that both samples have and whose counters did not fall."""
    changes = [
        change
        for name, sample in after.items()
        if name in before and (change := _change(before[name], sample)) is not None
    ]
    if not changes:
        return {}
    return {
        "system.network.io.receive": sum(change.bytes_in for change in changes) / 1024 / seconds,
        "system.network.io.transmit": sum(change.bytes_out for change in changes) / 1024 / seconds,
        "system.network.packets": sum(change.packets_in + change.packets_out for change in changes)
        / seconds,
        "system.network.errors": sum(
            change.errors_in + change.dropped_in + change.errors_out + change.dropped_out
            for change in changes
        )
        / seconds,
    }


def _change(before: InterfaceSample, after: InterfaceSample) -> InterfaceSample | None:
    rises = [getattr(after, field.name) - getattr(before, field.name) for field in fields(InterfaceSample)]
    return None if min(rises) < 0 else InterfaceSample(*rises)


def outward(net: Path, names: Collection[str]) -> frozenset[str]:
    """The interfaces that lead out of the machine.

    Bridges, tunnels and veth pairs would count the same packets twice. In a container every interface is
    virtual; then all but loopback count.
    """
    others = frozenset(names) - {"lo"}
    return frozenset(name for name in others if not _is_virtual(net / name)) or others


def _is_virtual(entry: Path) -> bool:
    try:
        return "/virtual/net/" in str(entry.readlink())
    except OSError:
        return False


class NetworkSource:
    """Reads /proc/net/dev and /sys/class/net below ``root``."""

    name = "network"

    def __init__(self, root: Path) -> None:
        self._file = KernelFile(root / "proc/net/dev")
        self._net = root / "sys/class/net"
        self._previous: Previous[dict[str, InterfaceSample]] = Previous()
        self._seen: frozenset[str] = frozenset()
        self._outward: frozenset[str] = frozenset()

    def read(self, now: float) -> Reading:
        """Traffic and errors a second since the last call."""
        try:
            interfaces = parse_net_dev(self._file.read())
        except OSError as error:
            return Reading({}, why(self._file.path, error))
        if interfaces.keys() != self._seen:
            self._seen = frozenset(interfaces)
            self._outward = outward(self._net, self._seen)
        sample = {name: interface for name, interface in interfaces.items() if name in self._outward}
        before = self._previous.swap(sample, now)
        values = {} if before is None else derive(before[0], sample, before[1])
        return Reading(values, "" if sample else "no network interface but loopback")

    def close(self) -> None:
        """Close the file."""
        self._file.close()
