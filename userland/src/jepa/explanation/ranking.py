# SPDX-License-Identifier: Apache-2.0
"""Puts the causes that apply in order, for the machine as a whole or for what was asked about."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from jepa.actions.change import Change
from jepa.explanation.causes import table
from jepa.explanation.causes.units import OLD
from jepa.explanation.evidence import Cause, Evidence, Explanation, Resource
from jepa.explanation.quantities import bytes_text
from jepa.explanation.situation import Situation
from jepa.explanation.use import UnitUse, largest

_CHANNELS: Final[dict[Resource, tuple[str, ...]]] = {
    "cpu": ("system.cpu.utilization", "system.pressure.cpu.some", "system.cpu.load_average.1m"),
    "memory": ("system.memory.utilization", "system.pressure.memory.some", "system.paging.utilization"),
    "disk": ("system.filesystem.utilization",),
    "io": ("system.disk.utilization", "system.pressure.io.some", "system.disk.wait"),
    "network": ("system.network.io.receive", "system.network.io.transmit", "system.network.tcp.retransmits"),
    "temperature": ("hw.temperature", "hw.power"),
    "service": (),
    "log": (),
}
"""What says how much of a resource there is."""
_MACHINE: Final = (
    "system.cpu.utilization",
    "system.pressure.cpu.some",
    "system.memory.utilization",
    "system.pressure.memory.some",
    "system.disk.utilization",
    "system.pressure.io.some",
)
_USERS: Final[dict[Resource, tuple[str, str]]] = {
    "cpu": ("cpu", "of all CPU time"),
    "memory": ("memory", "of memory"),
    "io": ("io", "of disk I/O"),
    "disk": ("written", "written to files"),
}
"""By what the largest users of a resource are known."""
_SURPRISING: Final = 0.99


@dataclass(frozen=True, slots=True)
class Question:
    """What an explanation is asked about; the machine as a whole without anything."""

    units: tuple[str, ...] = ()
    pids: tuple[int, ...] = ()
    channels: tuple[str, ...] = ()
    resource: Resource | None = None

    def __str__(self) -> str:
        names = (*self.units, *(f"process {pid}" for pid in self.pids), *self.channels)
        return ", ".join(names) or self.resource or "machine"


def explain(seen: Situation, question: Question | None = None) -> Explanation:
    """The causes that apply to ``question``, the most likely first, and how what it is about is."""
    asked = question or Question()
    units = frozenset(asked.units) | {each.unit for each in seen.processes if each.pid in asked.pids}
    found = sorted((cause for judge in table() for cause in judge(seen)), key=lambda cause: -cause.severity)
    kept = [_with_changes(seen, cause) for cause in _distinct(found) if _answers(cause, asked, units)]
    return Explanation(
        about=str(asked),
        at_ns=seen.window.at_ns,
        over_s=seen.window.over_s,
        sampled_s=seen.sampled_s,
        causes=tuple(kept),
        facts=tuple(_facts(seen, asked, units)),
        changes=tuple(_change(change) for change in seen.changes[:5]),
        limits=seen.limits,
    )


def _distinct(causes: Iterable[Cause]) -> Iterator[Cause]:
    """The first of those of one kind and one unit; what healing reported is often seen here, too."""
    seen: set[tuple[str, frozenset[str]]] = set()
    for cause in causes:
        key = (cause.resource, frozenset(each.name for each in cause.offenders))
        if not cause.offenders or key not in seen:
            yield cause
        seen.add(key)


def _answers(cause: Cause, asked: Question, units: frozenset[str]) -> bool:
    if units:
        return bool(units & cause.units)
    if asked.channels:
        return any(each.source in asked.channels for each in cause.evidence)
    if asked.resource is not None:
        return cause.resource == asked.resource or {cause.resource, asked.resource} == {"disk", "io"}
    return cause.severity > OLD


def _with_changes(seen: Situation, cause: Cause) -> Cause:
    """``cause`` with what jepa changed on the units that it is about."""
    made = [_change(change) for change in seen.changes if change.target in cause.units]
    return replace(cause, evidence=(*cause.evidence, *made)) if made else cause


def _change(change: Change) -> Evidence:
    what = f"{change.action} {change.target}".rstrip()
    old = "unset" if change.old is None else change.old
    text = f"jepa changed {what} from {old} to {change.new}, {change.state.value}"
    text += f": {change.detail}" if change.detail else ""
    for name, (_, median, _) in change.predicted.items():
        if name in change.observed:
            text += f"; {name} was predicted as {median:g} and came as {change.observed[name]:g}"
    return Evidence("change", change.id, text, f"jepa history {change.id}", change.ts_ns)


def _facts(seen: Situation, asked: Question, units: frozenset[str]) -> Iterator[Evidence]:
    yield from seen.channels(*asked.channels)
    for pid in asked.pids:
        for each in seen.processes:
            if each.pid == pid:
                yield Evidence(
                    "process",
                    str(pid),
                    f"{each} of {each.unit or 'the kernel'} takes {each.cpu:.0f} % of all CPU time "
                    f"and holds {bytes_text(each.memory)}",
                    f"ps -o pid,pcpu,rss,unit,comm -p {pid}",
                    seen.window.at_ns,
                    each.cpu,
                    "%",
                )
    for name in sorted(units):
        if (use := seen.uses.get(name)) is not None:
            yield _unit_fact(seen, use)
        elif seen.machine is not None:
            yield seen.unit(name, f"{name} does not run")
        yield from seen.said(name)
    if asked.resource is not None:
        yield from seen.channels(*_CHANNELS[asked.resource])
        yield from _users(seen, asked.resource)
    if not (units or asked.channels or asked.resource):
        yield from seen.channels(*_MACHINE)
    if seen.surprise is not None and seen.surprise >= _SURPRISING:
        yield Evidence(
            "surprise", "surprise",
            f"only {100 * (1 - seen.surprise):.1f} % of frames surprised the world model more than the last",
            "jepa status", seen.window.at_ns, seen.surprise,
        )  # fmt: skip


def _unit_fact(seen: Situation, use: UnitUse) -> Evidence:
    held = f", {use.throttled:.0f} % held back by its quota" if use.throttled >= 1 else ""
    text = (
        f"{use.name} is {use.active}: {use.cpu:.0f} % of all CPU time, waits {use.cpu_wait:.0f} % for a CPU "
        f"and {use.io_wait:.0f} % for I/O{held}, holds {bytes_text(use.memory)}, "
        f"moves {bytes_text(use.io)}/s"
    )
    return seen.unit(use.name, text, use.cpu, "%")


def _users(seen: Situation, resource: Resource) -> Iterator[Evidence]:
    """The units that use most of a resource, which is no fault."""
    if resource not in _USERS:
        return
    by, of = _USERS[resource]
    total = seen.memory_total if by == "memory" else sum(getattr(use, by) for use in seen.uses.values())
    for use in largest(seen.uses.values(), by):
        value = getattr(use, by)
        share = value if by == "cpu" else 100 * value / total if total else 0.0
        if share >= 1:
            yield seen.unit(use.name, f"{use.name} has {share:.0f} % {of}", share, "%")
