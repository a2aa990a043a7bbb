# SPDX-License-Identifier: Apache-2.0
"""Network traffic and errors, from /proc/net/dev."""

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from jepa.telemetry.sources.base import Reading, at, why
from jepa.telemetry.sources.devices import DeviceCounters


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
            interfaces[os.fsdecode(name.strip())] = InterfaceSample(*known)
    return interfaces


def derive(changes: Sequence[InterfaceSample], seconds: float) -> dict[str, float]:
    """Totals over all interfaces from what each did in ``seconds``; empty without any."""
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


def default_routes(content: bytes) -> frozenset[str]:
    """The interfaces of IPv4 default routes in /proc/net/route."""
    rows = (line.split() for line in content.splitlines()[1:])
    return frozenset(os.fsdecode(row[0]) for row in rows if len(row) > 7 and row[1] == row[7] == b"00000000")


def outward(root: Path, names: Collection[str]) -> frozenset[str]:
    """The interfaces that lead out of the machine.

    Bridges, bonds, tunnels and veth pairs would count the same packets twice, and so would an interface that
    another one with hardware stands for. In a container every interface is virtual; then those with a
    default route count, or else all but loopback.
    """
    net = root / "sys/class/net"
    others = frozenset(names) - {"lo"}
    hardware = frozenset(name for name in others if _is_hardware(net / name))
    if hardware:
        own = frozenset(name for name in hardware if not _is_part_of(net / name, hardware))
        return own or hardware
    try:
        routed = default_routes((root / "proc/net/route").read_bytes())
    except OSError:
        routed = frozenset()
    return others & routed or others


def _is_hardware(entry: Path) -> bool:
    try:
        return "/virtual/net/" not in str(entry.readlink())
    except OSError:
        return False


def _is_part_of(entry: Path, hardware: Collection[str]) -> bool:
    """Whether another interface of ``hardware`` counts what this one does.

    So it is with a virtual function behind the interface of its hypervisor, and with the ports of a switch
    behind the interface that leads to it.
    """
    try:
        if (entry / "master").readlink().name in hardware:
            return True
    except OSError:
        pass
    try:
        return (entry / "iflink").read_bytes() != (entry / "ifindex").read_bytes()
    except OSError:
        return False


class NetworkSource:
    """Reads /proc/net/dev and /sys/class/net below ``root``."""

    name = "network"

    def __init__(self, root: Path) -> None:
        self._counters = DeviceCounters(root / "proc/net/dev", parse_net_dev, partial(outward, root))

    def read(self, now: float) -> Reading:
        """Traffic and errors a second since the last call."""
        try:
            rises = self._counters.read(now)
        except OSError as error:
            return Reading({}, why(self._counters.path, error))
        reason = "" if rises.devices else "no network interface but loopback"
        return Reading(derive(rises.changes, rises.seconds), reason)

    def close(self) -> None:
        """Close the file."""
        self._counters.close()
