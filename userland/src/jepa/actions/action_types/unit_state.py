# SPDX-License-Identifier: Apache-2.0
"""Units started, stopped, restarted, reloaded, enabled and disabled; timers paused."""

from functools import partial

from jepa.actions.catalogue import ActionType, Persistence, TargetKind, Tier, ValueType

_action = partial(
    ActionType,
    family="unit_state",
    target=TargetKind.UNIT,
    type=ValueType.NONE,
    tier=Tier.DISRUPT,
    rate_per_hour=12,
)

ACTIONS = (
    _action(
        "unit.start",
        setting="active",
        constant="active",
        summary="start a unit, and what it requires",
        description=(
            "As `systemctl start`, and waits until it runs. What it requires is started too and stays "
            "when it is undone: undo stops this unit alone. Consent is asked for since a unit may do "
            "anything, such as serve the network. With --for it is stopped again after that time, which "
            "is a way to run something for an hour."
        ),
        example="jepa act unit.start backup.service",
    ),
    _action(
        "unit.stop",
        setting="active",
        constant="inactive",
        summary="stop a unit",
        description=(
            "As `systemctl stop`: its processes are asked to end and killed when they do not. Units "
            "that require it are stopped with it. Undo starts this unit again; what its processes held "
            "in memory is lost. With --for it comes back after that time. unit.freeze keeps what it "
            "holds."
        ),
        example="jepa act unit.stop cups.service --for 2h",
    ),
    _action(
        "unit.restart",
        setting="restart",
        constant="restarted",
        inverse="",
        summary="stop a unit and start it again",
        description=(
            "As `systemctl restart`; one that failed is started, and its count of failures begins anew. "
            "What it held in memory is lost and its connections end, which no undo brings back. "
            "unit.reload suffices where only its configuration has changed."
        ),
        example="jepa act unit.restart nginx.service",
    ),
    _action(
        "unit.reload",
        setting="reload",
        constant="reloaded",
        tier=Tier.TUNE,
        inverse="",
        summary="have a unit read its configuration anew",
        description=(
            "As `systemctl reload`: the service goes on with what it does and takes over its "
            "configuration files. Services that cannot do that say so. An error in a configuration file "
            "is the service's own to report; most keep the old one then."
        ),
        example="jepa act unit.reload nginx.service",
    ),
    _action(
        "unit.enable",
        setting="enabled",
        constant="enabled",
        persistence=Persistence.PERSISTENT,
        summary="have a unit started at boot",
        description=(
            "As `systemctl enable`, without starting it now. It makes links in /etc and so outlives "
            "reboots. Undo disables it again. Only units whose file says where they belong, in its "
            "[Install] section, can be enabled."
        ),
        example="jepa act unit.enable nginx.service",
    ),
    _action(
        "unit.disable",
        setting="enabled",
        constant="disabled",
        persistence=Persistence.PERSISTENT,
        summary="no longer have a unit started at boot",
        description=(
            "As `systemctl disable`, without stopping it now. Others may still start it: a socket, a "
            "timer, a unit that requires it. Undo enables it again, by the links that its file names."
        ),
        example="jepa act unit.disable cups.service",
    ),
    _action(
        "timer.pause",
        target=TargetKind.TIMER,
        setting="active",
        constant="inactive",
        tier=Tier.TUNE,
        summary="keep a timer from starting its unit",
        description=(
            "Stops the timer and not what it started: updates, indexing and backups do not begin in the "
            "middle of something that matters. With --for it goes on by itself afterwards; a timer with "
            "Persistent=yes then makes up for the run that it missed."
        ),
        example="jepa act timer.pause fstrim.timer --for 2h",
    ),
    _action(
        "timer.resume",
        target=TargetKind.TIMER,
        setting="active",
        constant="active",
        tier=Tier.TUNE,
        summary="let a timer start its unit again",
        description=(
            "Starts the timer; its next run is as its file says, counted from now on where it counts "
            "from its own start. One with Persistent=yes makes up at once for the run that it missed."
        ),
        example="jepa act timer.resume fstrim.timer",
    ),
)
