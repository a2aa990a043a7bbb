# SPDX-License-Identifier: Apache-2.0
"""Causes on disks: others take them, they are slow, something before them holds back, they are full."""

import shlex
from collections.abc import Iterator
from typing import Final

from jepa.explanation.evidence import Cause, Evidence, Offender
from jepa.explanation.quantities import bytes_text
from jepa.explanation.situation import Situation
from jepa.explanation.use import UnitUse, largest

_BUSY: Final = 80.0
_SOME_WAIT: Final = 15.0
"""Percent of time in which some task waits for I/O, from which on a disk is short for a unit that waits."""
_MOST_WAIT: Final = 50.0
"""The same, whoever waits."""
_WAITS: Final = 5.0
_HOG: Final = 50.0
"""Percent of all that is read and written that an offender takes at least."""
_HOG_BYTES: Final = 2**18
_SLOW_MS: Final = 40.0
"""Time of one operation by which a disk is slow, unless it moves much with each."""
_MUCH: Final = 5 * 2**20
_IDLE: Final = 20.0
_HELD_BACK: Final = 30.0
_FULL: Final = 0.02
_ALMOST: Final = 98.0
_RISE: Final = 3.0
"""Percent of a file system that is filled of late, from which on it is looked for who did."""
_WRITER: Final = 2**20
"""Bytes a second that a unit writes at least to be named for a file system that is full."""


def disk_contention(seen: Situation) -> Iterator[Cause]:
    """A disk is saturated and somebody waits for it; the unit that moves most, where one stands out."""
    busy, some = seen.now("system.disk.utilization"), seen.now("system.pressure.io.some")
    if busy < _BUSY or _is_slow(seen):
        return
    moved = max(_moved(seen), sum(use.io for use in seen.uses.values()))
    first = largest(seen.uses.values(), "io", 1)
    share = 100 * first[0].io / moved if first and moved else 0.0
    hog = first[0] if share >= _HOG and first[0].io >= _HOG_BYTES else None
    suffering = sorted(
        (use for use in seen.uses.values() if use is not hog and not use.is_ours and use.io_wait >= _WAITS),
        key=lambda use: -use.io_wait,
    )
    if not (some >= _MOST_WAIT or (some >= _SOME_WAIT and suffering)):
        return
    evidence = seen.channels(
        "system.disk.utilization", "system.pressure.io.some", "system.disk.wait", "system.disk.queue",
        "system.disk.io.read", "system.disk.io.write",
    )  # fmt: skip
    who = f"{suffering[0].name} waits" if suffering else "some task waits"
    offenders: tuple[Offender, ...] = ()
    whose = "; no single unit moves most" if seen.uses else ""
    summary = f"A disk is saturated, and {who} for it{whose}"
    if hog is not None:
        summary = f"{hog.name} moves {bytes_text(hog.io)}/s, {share:.0f} % of all disk I/O, and {who} for it"
        offenders = (seen.offender(hog, share, "disk I/O", seen.busiest_process(hog.name)),)
        evidence.append(
            seen.unit(
                hog.name,
                f"{hog.name} reads {bytes_text(hog.read)}/s and writes {bytes_text(hog.written)}/s",
                hog.io,
                "By/s",
            )
        )
    severity = min(0.8, some / 100) * (1.0 if suffering else 0.85) * (1.0 if hog else 0.7)
    yield Cause(
        "disk_contention", "io", summary, severity, offenders, tuple(use.name for use in suffering[:3]),
        (*evidence, *seen.waits(suffering, "io_wait", "disks"), *seen.expected("io_stall")),
    )  # fmt: skip


def _moved(seen: Situation) -> float:
    return 1024 * (seen.now("system.disk.io.read") + seen.now("system.disk.io.write"))


def _operation_ms(seen: Situation) -> float:
    """Time that a busy disk takes for one operation, in ms; 0 without any."""
    done = seen.now("system.disk.operations.read") + seen.now("system.disk.operations.write")
    return 10 * seen.now("system.disk.utilization") / done if done > 0 else 0.0


def _is_slow(seen: Situation) -> bool:
    errors = bool(seen.of_kind("io_error"))
    return (_operation_ms(seen) >= _SLOW_MS or errors) and _moved(seen) < _MUCH


def slow_disk(seen: Situation) -> Iterator[Cause]:
    """A disk that takes long for little; it is the disk, whoever uses it."""
    busy, some = seen.now("system.disk.utilization"), seen.now("system.pressure.io.some")
    if not (_is_slow(seen) and busy >= _IDLE and some >= _SOME_WAIT):
        return
    suffering = [use for use in largest(seen.uses.values(), "io_wait") if use.io_wait >= _WAITS]
    yield Cause(
        "slow_disk",
        "io",
        f"A disk is slow: one operation takes {_operation_ms(seen):.0f} ms, at {bytes_text(_moved(seen))}/s",
        min(0.85, 0.4 + some / 200),
        (),
        tuple(use.name for use in suffering),
        (
            *seen.channels(
                "system.disk.wait", "system.disk.utilization", "system.disk.operations.read",
                "system.disk.operations.write", "system.pressure.io.some", "system.disk.latency.read.p99",
                "system.disk.latency.write.p99",
            ),
            *seen.happened(seen.of_kind("io_error", "health_warning")),
            *seen.waits(suffering, "io_wait", "disks"),
        ),
    )  # fmt: skip


def io_held_back(seen: Situation) -> Iterator[Cause]:
    """Programs wait for I/O while disks are idle: a limit, a network file system or a mapped device."""
    some, busy = seen.now("system.pressure.io.some"), seen.window.now("system.disk.utilization")
    if some < _HELD_BACK or busy is None or busy >= _IDLE or seen.now("system.paging.swapped_in") > 0:
        return
    suffering = [use for use in largest(seen.uses.values(), "io_wait") if use.io_wait >= _HELD_BACK]
    if not suffering:
        return
    yield Cause(
        "io_held_back",
        "io",
        f"{suffering[0].name} waits for I/O that the disks show no work for: a limit such as "
        "IOReadBandwidthMax=, a network file system or a mapped device is slow",
        0.5,
        (),
        tuple(use.name for use in suffering),
        (
            *seen.channels("system.pressure.io.some", "system.disk.utilization"),
            *seen.waits(suffering, "io_wait", "I/O"),
        ),
    )


def file_system_full(seen: Situation) -> Iterator[Cause]:
    """A file system without room; the unit that writes most, where one stands out."""
    spaces = seen.machine.spaces if seen.machine else {}
    full = [(mount, space) for mount, space in spaces.items() if space.free < _FULL * space.total]
    if not full and (spaces or seen.now("system.filesystem.utilization") < _ALMOST):
        return
    written = sum(use.written for use in seen.uses.values())
    first = largest(seen.uses.values(), "written", 1)
    writer = first[0] if first and first[0].written >= max(_WRITER, written / 2) else None
    lost = _lost(seen, full[0][1].total if full else 0)
    filler = next((use for use in largest(seen.uses.values(), "wrote", 1) if _filled(use, lost)), None)
    evidence = seen.channels("system.filesystem.utilization")
    for mount, space in full:
        text = f"{mount} has {bytes_text(space.free)} of {bytes_text(space.total)} left"
        evidence.append(
            Evidence(
                "state", mount, text, f"df -h {shlex.quote(mount)}", seen.window.at_ns, space.free, "By"
            )
        )
    offenders: tuple[Offender, ...] = ()
    place = full[0][0] if full else "A file system"
    summary = f"{place} is full"
    if writer is not None:
        offenders = (seen.offender(writer, 100 * writer.written / written, "what is written"),)
        summary += f", and {writer.name} writes {bytes_text(writer.written)}/s"
        evidence.append(
            seen.unit(
                writer.name, f"{writer.name} writes {bytes_text(writer.written)}/s", writer.written, "By/s"
            )
        )
    elif filler is not None:
        share = min(100.0, 100 * filler.wrote / lost)
        offenders = (seen.offender(filler, share, "what was filled of late"),)
        summary += f"; {filler.name} has written {bytes_text(filler.wrote)}"
        text = (
            f"{filler.name} wrote {bytes_text(filler.wrote)} in all; {bytes_text(lost)} were filled of late"
        )
        evidence.append(seen.unit(filler.name, text, filler.wrote, "By"))
    yield Cause("file_system_full", "disk", summary, 0.75, offenders, (), tuple(evidence))


def _lost(seen: Situation, total: float) -> float:
    """Bytes that the fuller file system has lost since most of the earlier frames."""
    before = seen.window.typical("system.filesystem.utilization")
    now = seen.window.now("system.filesystem.utilization")
    return 0.0 if before is None or now is None or now - before < _RISE else (now - before) / 100 * total


def _filled(use: UnitUse, lost: float) -> bool:
    """Whether all that a unit ever wrote is about what was lost: it wrote that, and not in months."""
    return lost > 0 and lost / 2 <= use.wrote <= 2 * lost


def file_system_failed(seen: Situation) -> Iterator[Cause]:
    """A file system to which the kernel no longer writes, since it or its device has errors."""
    for mount, broken in (seen.machine.broken if seen.machine else {}).items():
        yield Cause(
            "file_system_failed",
            "disk",
            f"{mount} takes no more writes ({broken.why})",
            0.95,
            (),
            broken.owners,
            (
                Evidence(
                    "state",
                    mount,
                    f"{mount}: {broken.why}",
                    f"findmnt {shlex.quote(mount)}",
                    seen.window.at_ns,
                ),
                *seen.happened(seen.of_kind("io_error", "fs_error")),
            ),
        )  # fmt: skip
