# SPDX-License-Identifier: Apache-2.0
"""The table of causes. A cause is a function of the situation that answers those which apply.

Rules for each: it applies only when something is measurably short, late or failed, for busy alone is no
fault; it names an offender only with the offender's measured share of that; it cites what it was judged by.
"""

from collections.abc import Callable, Iterator

from jepa.explanation.evidence import Cause
from jepa.explanation.situation import Situation

Judge = Callable[[Situation], Iterator[Cause]]


def table() -> tuple[Judge, ...]:
    """Every cause that is known; the order means nothing."""
    from jepa.explanation.causes import disk, hardware, log, memory, network, processor, reported, units

    return (
        processor.cpu_contention,
        processor.cpu_quota,
        processor.lock_convoy,
        processor.fork_storm,
        disk.disk_contention,
        disk.slow_disk,
        disk.io_held_back,
        disk.file_system_full,
        disk.file_system_failed,
        memory.swap_thrashing,
        memory.memory_limit,
        memory.memory_leak,
        memory.oom_kill,
        units.unit_failed,
        units.restart_loop,
        units.not_accepting,
        network.connection_storm,
        network.network_loss,
        hardware.cpu_too_hot,
        hardware.cpu_stolen,
        log.log_storm,
        reported.reported_fault,
    )
