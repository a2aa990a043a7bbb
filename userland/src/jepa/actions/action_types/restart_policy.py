# SPDX-License-Identifier: Apache-2.0
"""What systemd does when a service ends."""

from functools import partial

from jepa.actions.catalogue import ActionType, Persistence, TargetKind, Tier, ValueType

_action = partial(
    ActionType,
    family="restart_policy",
)

ACTIONS = (
    _action(
        "unit.restart_policy",
        target=TargetKind.UNIT,
        type=ValueType.CHOICE,
        choices=("on-failure", "on-abnormal", "always", "no"),
        words=("unit's own",),
        setting="restart_policy",
        tier=Tier.TUNE,
        persistence=Persistence.PERSISTENT,
        rate_per_hour=12,
        summary="whether systemd restarts a service that fails or ends",
        description=(
            "Writes a drop-in beside the unit's files, which systemd follows from then on, without us "
            "and over reboots. on-failure restarts it when it ends with an error, a signal or a missed "
            "watchdog; always, also when it ends well; no, never. Attempts come 1 s apart at first and "
            'a minute apart in the end, and stop after twenty within ten minutes. "unit\'s own" takes '
            "our drop-in away."
        ),
        example="jepa act unit.restart_policy nginx.service on-failure",
    ),
)
