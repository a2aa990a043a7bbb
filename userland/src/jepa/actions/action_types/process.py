# SPDX-License-Identifier: Apache-2.0
"""Single processes, named by their PID or by a program's name that just one of them has."""

from functools import partial

from jepa.actions.catalogue import ActionType, TargetKind, Tier, ValueType

_action = partial(
    ActionType,
    family="process",
    target=TargetKind.PROCESS,
    tier=Tier.TUNE,
)

ACTIONS = (
    _action(
        "process.nice",
        type=ValueType.INTEGER,
        conserving=True,
        minimum=-20,
        maximum=19,
        dwell_s=1.0,
        summary="share of the CPU that a process gets when others want it too",
        description=(
            "Each step is worth about 1.25: 19 leaves a process one hundredth of what one at 0 gets "
            "beside it, and all of the CPU when nobody else wants it. For work that may take longer, "
            "such as a build. Negative values need root and make everybody else wait. All threads of "
            "the process get it, and those it starts later; each gets back what it had. It counts among "
            "the processes of one unit, or one session: to weigh units against each other use "
            "cpu.weight."
        ),
        example="jepa act process.nice 4711 10 --for 1h",
    ),
    _action(
        "process.io_class",
        type=ValueType.CHOICE,
        conserving=True,
        choices=(
            "none",
            "idle",
            "best-effort:0",
            "best-effort:1",
            "best-effort:2",
            "best-effort:3",
            "best-effort:4",
            "best-effort:5",
            "best-effort:6",
            "best-effort:7",
        ),
        dwell_s=1.0,
        summary="whose reads and writes go to the disk first",
        description=(
            "idle waits until nobody else uses the disk: right for backups and indexing, and it may "
            "wait for long. best-effort goes from 0 (first) to 7 (last). none follows the nice value. "
            "With bfq it counts among the processes of one unit, or one session: to weigh units against "
            "each other use io.weight. "
            "It has an effect where the disk's I/O scheduler is bfq or mq-deadline (`cat "
            "/sys/block/DISK/queue/scheduler`), and for reads and synchronous writes; what is written "
            "through memory is the kernel's own."
        ),
        example="jepa act process.io_class 4711 idle --for 1h",
    ),
    _action(
        "process.scheduler",
        type=ValueType.CHOICE,
        conserving=True,
        choices=("other", "batch", "idle"),
        dwell_s=1.0,
        summary="policy by which the CPU is given to a process",
        description=(
            "other is for everything. batch does not interrupt whoever runs when it becomes ready, "
            "which saves switches in long computations and makes it slower to react. idle runs on what "
            "nobody else wants, with less than nice 19 gets: for work that may wait. A process with a "
            "realtime policy is left alone. All threads get it, and those started later."
        ),
        example="jepa act process.scheduler 4711 idle --for 1h",
    ),
    _action(
        "process.pause",
        type=ValueType.NONE,
        setting="process.paused",
        constant="paused",
        tier=Tier.DISRUPT,
        inverse="process.resume",
        rate_per_hour=30,
        summary="stop a process where it is",
        description=(
            "It gets no CPU until it is resumed, keeps its memory (which can be swapped out) and its "
            "open files, and does not answer: connections to it time out. It is the signal SIGSTOP, so "
            "that the shell that started it shows it as stopped and takes the terminal back. For all "
            "processes of a unit at once use unit.freeze, which they cannot notice."
        ),
        example="jepa act process.pause 4711 --for 5m",
    ),
    _action(
        "process.resume",
        type=ValueType.NONE,
        setting="process.paused",
        constant="running",
        inverse="process.pause",
        rate_per_hour=30,
        summary="let a process that was stopped run on",
        description=(
            "The signal SIGCONT, whoever stopped the process: process.pause, Ctrl+Z in a terminal, or a "
            "debugger's leftover. It goes on where it was; timers and connections that ran out "
            "meanwhile have run out. It does not thaw a unit that is frozen."
        ),
        example="jepa act process.resume 4711",
    ),
    _action(
        "process.terminate",
        type=ValueType.NONE,
        setting="process.life",
        constant="terminated",
        tier=Tier.IRREVERSIBLE,
        inverse="",
        rate_per_hour=20,
        summary="ask a process to end",
        description=(
            "The signal SIGTERM: most programs save what they must and end within a second. What it had "
            "not saved may be lost, and it is not started again unless its unit says so. It fails when "
            "the process still runs 3 s later, which process.kill does not leave to it. Only the "
            "process itself is signalled, not its children."
        ),
        example="jepa act process.terminate 4711",
    ),
    _action(
        "process.kill",
        type=ValueType.NONE,
        setting="process.life",
        constant="killed",
        tier=Tier.IRREVERSIBLE,
        inverse="",
        rate_per_hour=20,
        summary="end a process at once",
        description=(
            "The signal SIGKILL: the process cannot refuse, and saves nothing: files that it was "
            "writing may be incomplete. For one that hangs, or takes memory faster than anything else "
            "can be done about it. Try process.terminate first. Its memory is free within moments, "
            "except while it waits for a device that does not answer."
        ),
        example="jepa act process.kill 4711",
    ),
)
