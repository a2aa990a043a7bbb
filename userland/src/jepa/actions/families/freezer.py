# SPDX-License-Identifier: Apache-2.0
"""Units frozen and thawed: all processes of a unit stop where they are, and run on later."""

from jepa.actions import units
from jepa.actions.catalogue import ActionType, Value
from jepa.actions.family import Host, Resource
from jepa.errors import JepaError

_STATES = {"running": "running", "thawing": "running", "frozen": "frozen", "freezing": "frozen"}


class Freezer:
    """A ``Family``. A frozen unit does not answer its watchdog either: systemd waits with it."""

    def missing(self, host: Host, action: ActionType) -> str | None:
        """systemd, and a kernel with the second version of the freezer."""
        if (why := units.needs_systemd(host)) is not None:
            return why
        if units.controllers(host) is None:
            return units.NO_GROUPS
        found = any((host.root / "sys/fs/cgroup").glob("*.slice/cgroup.freeze"))
        return None if found else "This kernel has no freezer (cgroup.freeze)."

    def resolve(self, host: Host, action: ActionType, target: str) -> Resource:
        """The unit as it runs now."""
        unit = units.find(host, target)
        if not unit.cgroup or unit.active_state not in ("active", "activating", "reloading"):
            raise JepaError(f"{unit.id} does not run.", "There is nothing to freeze or thaw.", status=409)
        return units.resource(unit, action, unit.invocation)

    def read(self, host: Host, resource: Resource) -> Value:
        """``running`` or ``frozen``. A unit inside a frozen slice counts as that slice's business."""
        state = units.same(host, resource).freezer_state
        return _STATES.get(state, state)

    def check(self, host: Host, action: ActionType, resource: Resource, value: Value) -> Value:
        """What a slice freezes cannot be thawed alone."""
        state = units.same(host, resource).freezer_state
        if state.endswith("by-parent"):
            raise JepaError(f"The slice of {resource.name} is frozen.", "Thaw the slice.", status=409)
        return value

    def apply(self, host: Host, resource: Resource, value: Value) -> None:
        """Returns when all its processes stand, or run."""
        (host.manager.freeze if value == "frozen" else host.manager.thaw)(resource.name)

    def verify(self, host: Host, resource: Resource, value: Value) -> None:
        """Read it back."""
        found = self.read(host, resource)
        if found != value:
            raise JepaError(f"{resource.name} is {found}, not {value}.", "See `systemctl status` of it.")

    def undo(self, host: Host, resource: Resource, old: Value) -> None:
        """As it was."""
        self.apply(host, resource, old)
