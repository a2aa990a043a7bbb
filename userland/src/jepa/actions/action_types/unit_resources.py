# SPDX-License-Identifier: Apache-2.0
"""Resources of services, scopes and slices, set by systemd at run time; see systemd.resource-control(5)."""

from functools import partial

from jepa.actions.catalogue import ActionType, TargetKind, Tier, ValueType

_action = partial(
    ActionType,
    family="unit_resources",
    target=TargetKind.UNIT,
    tier=Tier.TUNE,
    dwell_s=1.0,
)

ACTIONS = (
    _action(
        "cpu.weight",
        type=ValueType.INTEGER,
        conserving=True,
        minimum=1,
        maximum=10000,
        words=("idle", "default"),
        summary="share of the CPU that a unit gets when others want it too",
        description=(
            "Units beside each other in one slice share the CPU by their weights; 100 is usual, 1000 "
            "gets ten times as much as that and 10 a tenth. It costs nothing while nobody else wants "
            "the CPU, so it is the first thing to try for work in the background. idle lets a unit run "
            "only when no other one wants to. It says nothing of units in other slices: those are "
            "weighed by their slices."
        ),
        example="jepa act cpu.weight backup.service 20 --for 1h",
    ),
    _action(
        "cpu.max",
        type=ValueType.PERCENT,
        minimum=1,
        maximum=100000,
        words=("max",),
        summary="limit of the CPU time that a unit may use, in percent of one CPU",
        description=(
            "A hard limit, also while the CPU would be idle: 40% is two fifths of one CPU, 150% one and "
            "a half. For work that must never heat the machine or disturb others whatever they do; "
            "cpu.weight is kinder where the rest may be used. A service that answers requests becomes "
            "slower in jumps, since it is stopped for the rest of each tenth of a second. max takes the "
            "limit away."
        ),
        example="jepa act cpu.max backup.service 40% --for 30m",
    ),
    _action(
        "cpu.cpus",
        type=ValueType.TEXT,
        words=("all",),
        summary="the CPUs that a unit may run on",
        description=(
            "A list such as 0-1,3. Keeping background work away from some CPUs leaves these, with their "
            "caches, to others, and on machines with fast and slow cores keeps it off the fast ones. "
            "Memory is allocated as before. What is pinned to a busy CPU waits for it even while others "
            "are idle. all takes the limit away."
        ),
        example="jepa act cpu.cpus background 0 --for 1h",
    ),
    _action(
        "memory.high",
        type=ValueType.BYTES,
        minimum=1048576,
        words=("max",),
        summary="memory above which a unit is slowed and its pages are reclaimed",
        description=(
            "Nothing is killed: whoever is above it has to give pages back, to the disk they came from "
            "or to swap, before it gets new ones. It is the limit to use for something that grows, "
            "since everybody else keeps running. Set far below what the unit works with, the unit does "
            "little else than wait for its pages. A size such as 512M or part of all memory such as "
            "25%. max takes it away."
        ),
        example="jepa act memory.high backup.service 512M --for 1h",
    ),
    _action(
        "memory.max",
        type=ValueType.BYTES,
        tier=Tier.DISRUPT,
        minimum=4194304,
        words=("max",),
        summary="memory that a unit may have at most; more, and the kernel kills in it",
        description=(
            "The last resort where memory.high does not suffice. When the unit cannot give pages back "
            "fast enough, the kernel kills its largest process, and systemd then ends the unit unless "
            "its OOMPolicy= says otherwise. Taking the limit back does not bring back what was killed."
        ),
        example="jepa act memory.max browser.scope 4G --for 1h",
    ),
    _action(
        "memory.low",
        type=ValueType.BYTES,
        minimum=0,
        words=("none",),
        summary="memory of a unit that is left alone while others have some to give",
        description=(
            "Protects the working set of something that must stay quick, such as a database or a "
            "desktop: its pages are reclaimed only when nothing unprotected is left. What is protected "
            "is missing elsewhere, so it should not exceed what the unit really uses. The slices above "
            "it must be protected as well for it to count."
        ),
        example="jepa act memory.low postgresql.service 1G --for 8h",
    ),
    _action(
        "memory.min",
        type=ValueType.BYTES,
        minimum=0,
        words=("none",),
        summary="memory of a unit that is never reclaimed",
        description=(
            "As memory.low, but without exception: when all that is left is protected, the kernel kills "
            "rather than reclaim it. For small things that must always answer, such as a login service, "
            "and never for most of the memory."
        ),
        example="jepa act memory.min dbus.service 16M --for 1h",
    ),
    _action(
        "memory.swap.max",
        type=ValueType.BYTES,
        minimum=0,
        words=("max",),
        summary="swap that a unit may use at most",
        description=(
            "0 keeps all its pages in memory, which keeps a service that must answer at once from "
            "waiting for the disk; the memory has to come from others then. What is in swap already "
            "stays there until it is used."
        ),
        example="jepa act memory.swap.max postgresql.service 0 --for 8h",
    ),
    _action(
        "io.weight",
        type=ValueType.INTEGER,
        conserving=True,
        minimum=1,
        maximum=10000,
        words=("default",),
        summary="share of a busy disk that a unit gets",
        description=(
            "As cpu.weight, for the time of the disks: 100 is usual. It counts only while a disk is "
            "saturated, and only where the kernel's I/O controller is on for that disk, as it is in "
            "this image (io.cost or bfq). Writes through the page cache are charged to who made the "
            "pages dirty, on file systems that support it (ext4, btrfs, xfs)."
        ),
        example="jepa act io.weight backup.service 10 --for 1h",
    ),
    _action(
        "io.rbps",
        type=ValueType.RATE,
        minimum=4096,
        words=("max",),
        summary="bytes a second that a unit may read from a disk",
        description=(
            "A hard limit per disk, also while the disk is idle: 10M for every disk that holds a file "
            "system, or vda:10M for one. What is in the page cache already is read without limit. max "
            "takes it away. For a scan that must not disturb whatever else happens; io.weight is kinder "
            "where it works."
        ),
        example="jepa act io.rbps backup.service 10M --for 1h",
    ),
    _action(
        "io.wbps",
        type=ValueType.RATE,
        minimum=4096,
        words=("max",),
        summary="bytes a second that a unit may write to a disk",
        description=(
            "A hard limit per disk, as io.rbps. Writes through the page cache are slowed once they are "
            "written back, and whoever makes pages dirty faster than that then waits. A sync by "
            "somebody else may have to wait for it on file systems with one journal, such as ext4."
        ),
        example="jepa act io.wbps backup.service vda:5M --for 1h",
    ),
    _action(
        "io.riops",
        type=ValueType.RATE,
        minimum=1,
        words=("max",),
        summary="reads a second that a unit may ask of a disk",
        description=(
            "A hard limit per disk on requests instead of bytes: right for disks that are slow at each "
            "request, such as hard disks and remote volumes with a limit of operations. vda:100 for one "
            "disk, 100 for each that holds a file system."
        ),
        example="jepa act io.riops updatedb.service 100 --for 1h",
    ),
    _action(
        "io.wiops",
        type=ValueType.RATE,
        minimum=1,
        words=("max",),
        summary="writes a second that a unit may ask of a disk",
        description=(
            "A hard limit per disk on requests instead of bytes, as io.riops. Small synchronous writes, "
            "each of which the disk has to finish before the next, are what it slows most. max takes it "
            "away."
        ),
        example="jepa act io.wiops backup.service 50 --for 1h",
    ),
    _action(
        "pids.max",
        type=ValueType.INTEGER,
        minimum=1,
        maximum=4194304,
        words=("max",),
        summary="processes and threads that a unit may have",
        description=(
            "Stops whatever multiplies without end: fork and clone fail in the unit once it has so many "
            "tasks, threads included. Those there are stay. A server that makes a thread for each "
            "connection then refuses connections, so leave room above what it has now (`systemctl "
            "status`)."
        ),
        example="jepa act pids.max build.service 500 --for 1h",
    ),
)
