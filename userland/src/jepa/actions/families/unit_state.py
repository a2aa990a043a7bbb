# SPDX-License-Identifier: Apache-2.0
"""Units started, stopped, restarted, reloaded, enabled and disabled; timers paused."""

from typing import Final

from jepa.actions import units
from jepa.actions.catalogue import ActionType, TargetKind, Value
from jepa.actions.family import Host, Resource
from jepa.errors import JepaError

_RUNS: Final = frozenset({"active", "activating", "reloading", "refreshing"})
_ENABLED: Final = frozenset({"enabled", "enabled-runtime"})
_ONCE: Final = frozenset({"restarted", "reloaded"})
"""What is done once and leaves nothing to be read."""


class UnitState:
    """A ``Family`` of the settings ``active`` (also of timers), ``enabled``, and of what is done once."""

    def missing(self, host: Host, action: ActionType) -> str | None:
        """systemd."""
        return units.needs_systemd(host)

    def resolve(self, host: Host, action: ActionType, target: str) -> Resource:
        """A unit is the same however often it was started."""
        if action.target is TargetKind.TIMER and "." not in target:
            target = f"{target}.timer"
        unit = units.find(host, target)
        if action.target is TargetKind.TIMER and not unit.id.endswith(".timer"):
            raise JepaError(
                f"{unit.id} is no timer.", "`systemctl list-timers` shows those there are.", status=422
            )
        if unit.id.endswith((".slice", ".scope", ".device", ".target")):
            raise JepaError(f"{unit.id} is not started or stopped by itself.", "Name a service.", status=422)
        return units.resource(unit, action)

    def read(self, host: Host, resource: Resource) -> Value:
        """``active`` or ``inactive``; ``enabled`` or ``disabled``; None of what is done once."""
        unit = units.same(host, resource)
        if resource.setting == "enabled":
            if not unit.unit_file_state:
                raise JepaError(
                    f"systemd cannot say whether {unit.id} is enabled.",
                    f"`systemctl is-enabled {unit.id}` may say why.",
                    status=503,
                )
            return "enabled" if unit.unit_file_state in _ENABLED else "disabled"
        if resource.setting == "active":
            return "active" if unit.active_state in _RUNS else "inactive"
        return None

    def check(self, host: Host, action: ActionType, resource: Resource, value: Value) -> Value:
        """Only what has an [Install] section can be enabled, what runs reloaded, what can start stopped."""
        unit = units.same(host, resource)
        if value == "inactive" and unit.load_state != "loaded":
            raise JepaError(
                f"{unit.id} runs, but its file is masked or gone: it could not be started again.",
                "`systemctl unmask` it, or bring its file back, first.",
                status=409,
            )
        if value == "inactive" and unit.unit_file_state == "transient":
            raise JepaError(
                f"{unit.id} is transient: once it was stopped nothing could start it again.",
                "Freeze it (unit.freeze), or `systemctl stop` it for good.",
                status=422,
            )
        if resource.setting == "enabled" and unit.unit_file_state in (
            "static",
            "transient",
            "generated",
            "alias",
        ):
            raise JepaError(
                f"{unit.id} is {unit.unit_file_state}, started by others: not to be enabled.",
                "Start it, or enable what starts it.",
                status=422,
            )
        if value == "reloaded":
            if unit.active_state not in _RUNS:
                raise JepaError(f"{unit.id} does not run.", "Start it.", status=409)
            if not host.manager.get(unit.id, "Unit", "CanReload"):
                raise JepaError(f"{unit.id} cannot reload its configuration.", "Restart it.", status=422)
        return value

    def apply(self, host: Host, resource: Resource, value: Value) -> None:
        """Returns when the job is done."""
        verbs = {
            "active": host.manager.start,
            "inactive": host.manager.stop,
            "restarted": host.manager.restart,
            "reloaded": host.manager.reload,
            "enabled": host.manager.enable,
            "disabled": host.manager.disable,
        }
        verbs[str(value)](resource.name)

    def verify(self, host: Host, resource: Resource, value: Value) -> None:
        """It runs, or does not; a service that is to run once may have ended by now."""
        if value in ("enabled", "disabled", "inactive"):
            found = self.read(host, resource)
            if found != value:
                raise JepaError(f"{resource.name} is {found}, not {value}.", "See `systemctl status` of it.")
        elif value != "reloaded" and units.same(host, resource).active_state == "failed":
            raise JepaError(
                f"{resource.name} failed as soon as it was started.", "See `systemctl status` of it."
            )

    def undo(self, host: Host, resource: Resource, old: Value) -> None:
        """As it was; what is done once stays done."""
        if old is not None:
            self.apply(host, resource, old)
