# SPDX-License-Identifier: Apache-2.0
"""How the machine sleeps.

Keeping it awake is a lock of logind's that ends with its holder: `systemd-inhibit`.
"""

from functools import partial

from jepa.actions.catalogue import ActionType, TargetKind, Tier, ValueType

_action = partial(
    ActionType,
    family="sleep",
)

ACTIONS = (
    _action(
        "sleep.mode",
        target=TargetKind.MACHINE,
        type=ValueType.CHOICE,
        choices=("s2idle", "shallow", "deep"),
        tier=Tier.TUNE,
        dwell_s=1.0,
        summary="how deep the machine sleeps when it is suspended",
        description=(
            "s2idle stops programs and lets CPUs and devices idle: it wakes at once and drains a laptop "
            "in a day or two. deep (S3) switches off all but the memory: it lasts for a week, takes a "
            "second or two to wake, and some firmware does not come back from it. shallow lies between. "
            "It holds for the next suspend; nothing is suspended by this."
        ),
        example="jepa act sleep.mode s2idle --for 12h",
    ),
)
