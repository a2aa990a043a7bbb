# SPDX-License-Identifier: Apache-2.0
"""Which unit a person means: by its name, or by the role whose slice it is."""

from typing import Final

from jepa.actions.catalogue import ActionType, TargetKind
from jepa.actions.family import Host, Resource
from jepa.actions.service_manager import Unit
from jepa.errors import JepaError

ROLES: Final = {"background": "background.slice", "foreground": "user.slice"}
"""The slice that stands for a role in the packaged roles (``jepa/telemetry/roles.toml``)."""


def find(host: Host, target: str) -> Unit:
    """The unit that ``target`` names now: a unit, or a role. JepaError (404, 422) when there is none."""
    if not target:
        raise JepaError(
            "A unit has to be named.", "`systemctl list-units` shows those there are.", status=422
        )
    return host.manager.unit(ROLES.get(target, target))


def resource(unit: Unit, action: ActionType, identity: str = "") -> Resource:
    """What ``action`` changes of ``unit``."""
    return Resource(TargetKind.UNIT, unit.id, action.setting, identity, unit.active_state)


def same(host: Host, resource: Resource) -> Unit:
    """The unit of ``resource``; JepaError (409) when it is gone, or was started anew since.

    One that is masked while it does not run is still there (423): what is set on it would hold again.
    """
    try:
        unit = host.manager.unit(resource.name)
    except JepaError as error:
        if error.status == 409 and not resource.identity:
            raise JepaError(error.problem, error.remedy, status=423) from error
        if error.status != 404:
            raise
        raise JepaError(f"{resource.name} is gone.", "Nothing is left to change.", status=409) from error
    if resource.identity and unit.invocation != resource.identity:
        raise JepaError(
            f"{resource.name} was started anew meanwhile.", "The new one is left as it is.", status=409
        )
    return unit


def needs_systemd(host: Host) -> str | None:
    """Why nothing that goes through systemd works here; None when it does."""
    return None if host.manager.available else "systemd does not run here."


def controllers(host: Host) -> list[str] | None:
    """The controllers of the control groups; None when those are not of version 2."""
    try:
        return (host.root / "sys/fs/cgroup/cgroup.controllers").read_text().split()
    except OSError:
        return None


NO_GROUPS: Final = "There is no control group v2 hierarchy in /sys/fs/cgroup."
"""Why nothing that is a file of a control group works without ``controllers``."""
