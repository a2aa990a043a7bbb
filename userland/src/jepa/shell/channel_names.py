# SPDX-License-Identifier: Apache-2.0
"""Names of channels: short labels, the full name that a person's word stands for, which are shown first."""

import difflib
from collections.abc import Collection, Sequence

from jepa.errors import JepaError
from jepa.service.api import ChannelInfo

LABELS = {
    "system.cpu.utilization": "cpu",
    "system.memory.utilization": "memory",
    "system.disk.io.read": "disk read",
    "system.disk.io.write": "disk write",
    "system.disk.utilization": "disk busy",
    "system.network.io.receive": "net in",
    "system.network.io.transmit": "net out",
    "system.pressure.cpu.some": "psi cpu",
    "system.pressure.memory.some": "psi memory",
    "system.pressure.io.some": "psi io",
    "system.cpu.run_queue.latency.p99": "run queue p99",
    "system.cpu.utilization.steal": "cpu steal",
    "system.disk.latency.read.p99": "read p99",
    "system.disk.latency.write.p99": "write p99",
    "system.filesystem.utilization": "disk full",
    "system.lock.wait": "lock wait",
    "system.network.tcp.opened": "tcp opened",
    "system.network.tcp.retransmits": "tcp resent",
    "system.paging.faults.major": "major faults",
    "system.paging.swapped_in": "swapped in",
    "system.paging.swapped_out": "swapped out",
    "system.process.created": "processes begun",
    "system.process.exited.failed": "processes failed",
    "hw.battery.charge": "battery",
    "hw.power": "power",
    "hw.temperature": "temperature",
}
"""Names a person uses for the channels shown first."""

FIRST = (
    "system.cpu.utilization",
    "system.memory.utilization",
    "system.disk.io.write",
    "system.pressure.cpu.some",
    "system.pressure.memory.some",
    "system.pressure.io.some",
    "system.network.io.receive",
    "system.disk.io.read",
)
"""The channels shown until a person chooses, most wanted first."""

_ROOTS = ("system", "hw", "jepa")
"""What a channel's full name begins with."""


def label(name: str) -> str:
    """A short name for a channel; the full one without ``system.`` where there is none."""
    return LABELS.get(name, name.removeprefix("system."))


def full_name(short: str) -> str:
    """The channel that a `label` without blanks stands for; the name itself when it is none."""
    whole = "." not in short or short.partition(".")[0] in _ROOTS
    return next(
        (name for name, alias in LABELS.items() if alias == short), short if whole else f"system.{short}"
    )


def resolve(words: Sequence[str], known: Collection[str]) -> list[str]:
    """The channels that ``words`` name; JepaError (404) for the first that is not in ``known``."""
    names = [full_name(word) for word in words]
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
            remedy = f"Did you mean {' or '.join(near)}?" if near else "`jepa forecast` lists them."
            raise JepaError(f"There is no channel {name}.", remedy, status=404)
    return names


def choose(channels: Sequence[ChannelInfo], seen: set[str], many: int) -> list[str]:
    """The channels to show at first: those wanted most that the schema has, observed ones before others."""
    known = {channel.name for channel in channels}
    wanted = [name for name in FIRST if name in known]
    if not wanted:
        wanted = [channel.name for channel in channels]
    present = [name for name in wanted if name in seen]
    return sorted((present + [n for n in wanted if n not in seen])[:many], key=wanted.index)
