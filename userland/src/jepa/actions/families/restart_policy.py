# SPDX-License-Identifier: Apache-2.0
"""Whether systemd restarts a service that ends: a drop-in of our own beside the unit's files.

The policy is systemd's and works without us. Attempts come 1 s to 1 min apart, see systemd.service(5).
"""

from pathlib import Path
from typing import Final

from jepa.actions import units
from jepa.actions.catalogue import ActionType, Value
from jepa.actions.family import Host, Resource
from jepa.durable import replace_file
from jepa.errors import JepaError

_PLACE: Final = "etc/systemd/system"
_NAME: Final = "50-jepa-restart.conf"
_OWN: Final = "unit's own"
_CONTENT: Final = """\
# written by jepa-actuator; `jepa undo` takes it away
[Unit]
StartLimitIntervalSec=10min
StartLimitBurst=20

[Service]
Restart={policy}
RestartSec=1s
RestartSteps=5
RestartMaxDelaySec=1min
"""


class RestartPolicy:
    """A ``Family``. The value is that of our drop-in, or ``unit's own`` when there is none."""

    def missing(self, host: Host, action: ActionType) -> str | None:
        """systemd."""
        return units.needs_systemd(host)

    def resolve(self, host: Host, action: ActionType, target: str) -> Resource:
        """A service that is there also after a reboot."""
        unit = units.find(host, target)
        if not unit.id.endswith(".service"):
            raise JepaError(f"{unit.id} is no service.", "Only services are restarted.", status=422)
        if not unit.fragment or unit.fragment.startswith("/run/"):
            raise JepaError(
                f"{unit.id} has no unit file that stays.", "A transient unit goes when it ends.", status=422
            )
        return units.resource(unit, action)

    def read(self, host: Host, resource: Resource) -> Value:
        """What our drop-in says."""
        try:
            text = self._file(host, resource).read_text()
        except FileNotFoundError:
            return _OWN
        except OSError as error:
            raise JepaError(
                f"The drop-in of {resource.name} cannot be read: {error.strerror}.", "Nothing was changed."
            ) from error
        for line in text.splitlines():
            if line.startswith("Restart="):
                return line.removeprefix("Restart=")
        return "unknown"

    def check(self, host: Host, action: ActionType, resource: Resource, value: Value) -> Value:
        """Any of the choices."""
        units.same(host, resource)
        return value

    def apply(self, host: Host, resource: Resource, value: Value) -> None:
        """Write the drop-in in one step, and have systemd read it."""
        file = self._file(host, resource)
        made = file.with_suffix(".new")
        try:
            if value == _OWN:
                for each in (file, made):  # the power may have been cut before the one became the other
                    each.unlink(missing_ok=True)
                if file.parent.is_dir() and not any(file.parent.iterdir()):
                    file.parent.rmdir()
            else:
                if not file.parent.is_dir():
                    file.parent.mkdir(parents=True)
                    file.parent.chmod(0o755)  # everybody may read what systemd does, whatever our umask is
                replace_file(file, _CONTENT.format(policy=value))
        except OSError as error:
            raise JepaError(
                f"The drop-in of {resource.name} cannot be written: {error.strerror}.",
                f"{file.parent} must be writable.",
                status=403,
            ) from error
        host.manager.daemon_reload()

    def verify(self, host: Host, resource: Resource, value: Value) -> None:
        """systemd has the policy, which another drop-in of a later name may override."""
        if value != _OWN and (found := host.manager.get(resource.name, "Service", "Restart")) != value:
            raise JepaError(
                f"{resource.name} has Restart={found}: another drop-in overrides it.",
                f"See `systemctl cat {resource.name}`.",
                status=409,
            )

    def undo(self, host: Host, resource: Resource, old: Value) -> None:
        """As it was, by another drop-in of ours or without one."""
        self.apply(host, resource, old)

    def _file(self, host: Host, resource: Resource) -> Path:
        return host.root / _PLACE / f"{resource.name}.d" / _NAME
