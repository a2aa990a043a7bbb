# SPDX-License-Identifier: Apache-2.0
"""A machine with the units that most have."""

from pathlib import Path

import pytest

from tests.unit.actions.guard.machine import Machine

UNITS = (
    *(
        "systemd-journald.service",
        "systemd-udevd.service",
        "systemd-logind.service",
        "systemd-networkd.service",
    ),
    *("ssh.service", "dbus.service", "polkit.service", "lvm2-monitor.service", "multipathd.service"),
    *("NetworkManager.service", "wpa_supplicant.service", "iscsid.service", "mdmonitor.service"),
    *("backup.service", "nginx.service", "postgresql.service"),
)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path)
    for name in UNITS:
        made.manager.add(name)
        made.cgroup(f"system.slice/{name}")
    made.manager.add(
        "systemd-logind.service", names=("systemd-logind.service", "dbus-org.freedesktop.login1.service")
    )
    made.manager.add("ssh.service", names=("ssh.service", "sshd.service"))
    made.manager.add("getty@.service", "system.slice/system-getty.slice")
    made.manager.add("worker@.service", "system.slice/system-worker.slice")
    made.manager.add("jepad.service", "jepa.slice")
    made.manager.add("jepa-actuator.service", "safety.slice")
    for name in ("system.slice", "user.slice", "jepa.slice", "safety.slice", "background.slice", "-.slice"):
        made.manager.add(name, "")
    made.manager.add("init.scope", "")
    made.manager.add("user-1000.slice", cgroup="/user.slice/user-1000.slice")
    made.manager.add("user@1000.service", "user.slice/user-1000.slice")
    made.manager.add("session-3.scope", "user.slice/user-1000.slice")
    made.manager.add("-.mount", "")
    made.manager.add("multi-user.target", "", cgroup="")
    return made
