# SPDX-License-Identifier: Apache-2.0
"""What systemd has no property for: files of a unit's own control group.

They go with the unit's processes.
"""

from functools import partial

from jepa.actions.catalogue import ActionType, TargetKind, Tier, ValueType

_action = partial(
    ActionType,
    family="cgroup_file",
    target=TargetKind.UNIT,
    tier=Tier.TUNE,
    dwell_s=1.0,
)

ACTIONS = (
    _action(
        "cpu.uclamp.max",
        setting="cpu.uclamp.max",
        type=ValueType.PERCENT,
        minimum=0,
        maximum=100,
        words=("max",),
        summary="the most CPU frequency that a unit may ask for, in percent of what there is",
        description=(
            "The scheduler takes the unit for no busier than this when it chooses a frequency and, on "
            "machines with fast and slow cores, a core. Background work at 30% runs slower and saves "
            "power, and does not make the whole machine fast for its sake. It needs the schedutil "
            "governor; in a virtual machine it changes nothing."
        ),
        example="jepa act cpu.uclamp.max background 30% --for 1h",
    ),
    _action(
        "cpu.uclamp.min",
        type=ValueType.PERCENT,
        minimum=0,
        maximum=100,
        words=("max",),
        summary="the CPU frequency that a unit gets at least while it runs, in percent of what there is",
        description=(
            "The scheduler takes the unit for at least so busy: it runs fast from its first moment, "
            "without the time that the governor takes to see that it is needed. For work in short "
            "bursts that somebody waits for. It costs power, and needs the schedutil governor; in a "
            "virtual machine it changes nothing."
        ),
        example="jepa act cpu.uclamp.min game.scope 50% --for 2h",
    ),
    _action(
        "memory.reclaim",
        type=ValueType.BYTES,
        inverse="",
        minimum=4096,
        summary="have the kernel reclaim so much memory of a unit now",
        description=(
            "Pages that the unit has not used for longest go back to where they came from, or to swap, "
            "before anybody else runs short. Harmless, as they come back when they are used; taken too "
            "far the unit waits for its own pages. It is done once and leaves nothing to be taken back. "
            "Less is reclaimed when there is less that can be."
        ),
        example="jepa act memory.reclaim browser.scope 200M",
    ),
)
