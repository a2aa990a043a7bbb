# SPDX-License-Identifier: Apache-2.0
"""Units frozen and thawed."""

from functools import partial

from jepa.actions.catalogue import ActionType, TargetKind, Tier, ValueType

_action = partial(
    ActionType,
    family="freezer",
    target=TargetKind.UNIT,
    type=ValueType.NONE,
    setting="freezer",
    tier=Tier.DISRUPT,
    rate_per_hour=120,
)

ACTIONS = (
    _action(
        "unit.freeze",
        constant="frozen",
        summary="stop all processes of a unit where they are",
        description=(
            "They use no CPU and start no I/O until they are thawed, and then run on as if nothing had "
            "been; they keep their memory, which the kernel may swap out meanwhile. Whoever talks to "
            "them waits, and connections may time out. Better than ending something that is only in the "
            "way for a while. With --for it thaws by itself."
        ),
        example="jepa act unit.freeze backup.service --for 10m",
    ),
    _action(
        "unit.thaw",
        constant="running",
        tier=Tier.TUNE,
        summary="let a frozen unit run on",
        description=(
            "All its processes go on where they stood. Clocks have run on meanwhile: timers that came "
            "due fire at once, and the other ends of connections may have given up. A unit in a frozen "
            "slice runs on with the slice, and not before."
        ),
        example="jepa act unit.thaw backup.service",
    ),
)
