# SPDX-License-Identifier: Apache-2.0
"""Chooses the channels worth a strip: CPU and memory always, then what moves most, one look at a time."""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Final

ALWAYS: Final = ("system.cpu.utilization", "system.memory.utilization")
"""Shown first wherever they are observed: people look for them there."""
WORTH: Final[Mapping[str, str]] = {
    "system.disk.io.write": "disk",
    "system.disk.io.read": "disk",
    "system.pressure.cpu.some": "waits",
    "system.pressure.io.some": "waits",
    "system.pressure.memory.some": "memory",
    "system.network.io.receive": "network",
    "system.network.io.transmit": "network",
    "system.cpu.run_queue.latency.p99": "waits",
    "system.disk.utilization": "disk",
    "system.disk.latency.read.p99": "disk",
    "system.disk.latency.write.p99": "disk",
    "hw.temperature": "hardware",
    "hw.power": "hardware",
    "system.process.created": "processes",
    "system.process.exited.failed": "processes",
    "system.paging.swapped_in": "memory",
    "system.paging.swapped_out": "memory",
    "system.paging.faults.major": "memory",
    "system.cpu.utilization.steal": "waits",
    "system.network.tcp.retransmits": "network",
    "system.network.tcp.opened": "network",
    "system.lock.wait": "waits",
    "system.filesystem.utilization": "disk",
    "hw.battery.charge": "hardware",
}
"""Other channels that say something by themselves, by family, the most telling first."""
FAMILY: Final = 2
"""Channels of one family shown at once."""
STILL: Final = 2.0
"""Noise floors within which a channel does not move."""
STAYS: Final = 1.0
"""By how much another must be ahead of a channel that is shown, in doublings."""


def movement(values: Sequence[float], noise_floor: float) -> float:
    """How far ``values`` range, in noise floors, without the twentieth at either end; 0 for none."""
    seen = sorted(value for value in values if math.isfinite(value))
    if len(seen) < 2 or noise_floor <= 0:
        return 0.0
    edge = len(seen) // 20
    return (seen[-1 - edge] - seen[edge]) / noise_floor


def choose(
    known: Collection[str],
    seen: Mapping[str, float],
    many: int,
    shown: Collection[str] = (),
) -> list[str]:
    """Up to ``many`` of the ``known`` channels, in an order that does not change with what moves.

    ``seen`` has the `movement` of each channel that is observed. One of ``shown`` stays until another moves
    twice as much. Where too few move, the most telling are shown at rest; where none is observed, too.
    """
    order = [name for name in (*ALWAYS, *WORTH) if name in known] or list(known)
    first = [name for name in order if name in ALWAYS and (name in seen or not seen)]
    rest = [name for name in order if name not in ALWAYS and (name in seen or not seen)]

    def rank(name: str) -> float:
        moved = seen.get(name, 0.0)
        if moved < STILL:
            return -1.0
        return math.log2(1.0 + moved) + (STAYS if name in shown else 0.0)

    taken: dict[str, int] = {}
    chosen = first[:many]
    # sorted() keeps the order of those that rank alike, which is that of WORTH.
    for name in sorted(rest, key=rank, reverse=True):
        family = WORTH.get(name, name)
        if len(chosen) < many and taken.get(family, 0) < FAMILY:
            taken[family] = taken.get(family, 0) + 1
            chosen.append(name)
    chosen += [name for name in rest if name not in chosen][: many - len(chosen)]
    return sorted(chosen, key=order.index)
