# SPDX-License-Identifier: Apache-2.0
"""Causes in memory: it is swapped to and fro, a limit holds, it leaks, a process was killed for it."""

import re
from collections.abc import Iterator
from typing import Final

from jepa.explanation.evidence import Cause, Evidence, Offender
from jepa.explanation.quantities import bytes_text
from jepa.explanation.situation import Situation
from jepa.explanation.use import UnitUse, largest

_SOME: Final = 10.0
"""Percent of time in which some task waits for memory, from which on it is short."""
_SWAPS: Final = 20.0
_MAJOR: Final = 50.0
_HOLDS: Final = 0.25
"""Share of memory that an offender holds at least, or grows by in ten seconds."""
_AT_LIMIT: Final = 0.95
_SEEN_S: Final = 300.0
_LEAST_S: Final = 60.0
_STRAIGHT: Final = 0.9
_LEAST: Final = 3.0
"""Percent of memory that a leak has grown by at least."""
_AHEAD_S: Final = 3600.0
_HALF: Final = 0.5
_KILLED: Final = re.compile(r"anon-rss:(\d+)kB")
_PEAK: Final = re.compile(r"([\d.]+)([KMGT]?) memory peak")
"""In systemd's last line about a unit, which rounds bytes as systemctl does."""
_TOGETHER_NS: Final = 10 * 10**9
"""The kernel and systemd tell of one kill within this."""


def swap_thrashing(seen: Situation) -> Iterator[Cause]:
    """Tasks wait for memory while pages go to the disk and come back."""
    some = seen.now("system.pressure.memory.some")
    swaps = min(seen.now("system.paging.swapped_in"), seen.now("system.paging.swapped_out"))
    faults = seen.now("system.paging.faults.major")
    if some < _SOME or not (swaps >= _SWAPS or faults >= _MAJOR):
        return
    total = seen.memory_total
    holders = sorted(
        (use for use in seen.uses.values() if total and _memory_share(use, total) >= 100 * _HOLDS),
        key=lambda use: (-max(0.0, use.growth), -use.memory),
    )
    how = "swaps" if swaps >= _SWAPS else "reads its programs from the disk again and again"
    offenders = tuple(
        seen.offender(use, _memory_share(use, total), "memory", seen.largest_process(use.name))
        for use in holders[:2]
    )
    who = f"; {holders[0].name} holds {bytes_text(holders[0].memory)}" if holders else ""
    yield Cause(
        "swap_thrashing",
        "memory",
        f"The machine {how}: tasks wait for memory {some:.0f} % of the time{who}",
        min(1.0, 0.86 + some / 1000) * (1.0 if holders else 0.7),
        offenders,
        (),
        (
            *seen.channels(
                "system.pressure.memory.some", "system.paging.swapped_in", "system.paging.swapped_out",
                "system.paging.faults.major", "system.memory.utilization", "system.paging.utilization",
            ),
            *(seen.memory_of(use) for use in holders[:2]),
            *seen.expected("memory_pressure"),
        ),
    )  # fmt: skip


def _memory_share(use: UnitUse, total: float) -> float:
    return 100 * use.memory / total


def memory_limit(seen: Situation) -> Iterator[Cause]:
    """A unit at its own limit of memory: the kernel takes pages from it, and kills within it next."""
    for use in largest(seen.uses.values(), "memory", 20):
        if not use.limit or use.memory < _AT_LIMIT * use.limit:
            continue
        if use.growth <= 0 and seen.now("system.pressure.memory.some") < 1:
            continue  # it has what it wants
        yield Cause(
            "memory_limit",
            "memory",
            f"{use.name} holds {bytes_text(use.memory)} of the {bytes_text(use.limit)} that it may",
            0.5,
            (
                seen.offender(
                    use, 100 * use.memory / use.limit, "its own limit", seen.largest_process(use.name)
                ),
            ),
            (use.name,),
            (seen.memory_of(use), *seen.channels("system.pressure.memory.some")),
        )


def memory_leak(seen: Situation) -> Iterator[Cause]:
    """The memory of programs grows along a straight line towards all there is; or a unit's to its limit."""
    channel = "system.memory.anonymous"
    line = seen.window.line(channel, _SEEN_S)
    if line is None or line.rate <= 0 or line.explained < _STRAIGHT or line.span_s < _LEAST_S:
        return
    left_s = max(0.0, 100 - seen.now("system.memory.utilization")) / line.rate
    if line.rate * line.span_s < _LEAST or left_s > _AHEAD_S:
        return
    growth = line.rate * seen.memory_total / 100
    first = largest(seen.uses.values(), "growth", 1)
    leak = first[0] if first and growth and first[0].growth >= _HALF * growth else None
    evidence: list[Evidence] = seen.channels(channel, "system.memory.utilization")
    offenders: tuple[Offender, ...] = ()
    summary = (
        f"The memory of programs grows by {60 * line.rate:.1f} % of the machine's a minute, "
        f"and lasts for {left_s / 60:.0f} min"
    )
    if leak is not None:
        share = min(100.0, 100 * leak.growth / growth)
        process = seen.largest_process(leak.name)
        offenders = (seen.offender(leak, share, "growth of memory", process),)
        summary = f"{leak.name} grows by {bytes_text(leak.growth)}/s: memory lasts for {left_s / 60:.0f} min"
        evidence.append(seen.memory_of(leak))
    severity = min(0.8, 0.45 + 0.35 * (1 - left_s / _AHEAD_S))
    yield Cause(
        "memory_leak", "memory", summary, severity, offenders, (),
        (*evidence, *seen.expected("memory_pressure")),
    )  # fmt: skip


def oom_kill(seen: Situation) -> Iterator[Cause]:
    """A process was killed for want of memory; its unit, with what it held, where both are known."""
    failed = [event for event in seen.of_kind("unit_failed") if "oom-kill" in (event.detail or "")]
    for event in seen.of_kind("oom_kill")[-3:]:
        near = [each for each in failed if abs(each.ts_ns - event.ts_ns) <= _TOGETHER_NS]
        unit = (near[-1].unit if near else event.unit) or "a process"
        held = _KILLED.search(event.detail or "")
        of_its_own = "Memory cgroup out of memory" in (event.detail or "")
        share = 100 * 1024 * int(held[1]) / seen.memory_total if held and seen.memory_total else 0.0
        offenders: tuple[Offender, ...] = ()
        peak = _peak_share(seen, unit)
        if share >= 100 * _HOLDS or (of_its_own and held):
            offenders = (Offender(unit, round(min(100.0, share), 1), "memory, when it was killed"),)
        elif peak >= 100 * _HOLDS:  # where there is swap, a good part of it is there
            offenders = (Offender(unit, round(min(100.0, peak), 1), "memory, at its peak"),)
        yield Cause(
            "oom_kill",
            "memory",
            f"{unit} was killed for want of memory"
            + (f", holding {bytes_text(1024 * int(held[1]))}" if held else ""),
            0.7,
            offenders,
            (unit,),
            (
                *seen.happened([event, *near]),
                *seen.said(unit),
                *seen.channels("system.memory.utilization", "system.pressure.memory.some"),
            ),
        )


def _peak_share(seen: Situation, unit: str) -> float:
    """Percent of memory that ``unit`` held at most, by the line that systemd wrote when it ended; or 0."""
    line = seen.journal.get(unit)
    found = _PEAK.search(line.text) if line is not None else None
    if found is None or not seen.memory_total:
        return 0.0
    scale = 1024.0 ** " KMGT".index(found[2] or " ")
    return 100 * float(found[1]) * scale / seen.memory_total
