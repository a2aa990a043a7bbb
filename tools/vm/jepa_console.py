# SPDX-License-Identifier: Apache-2.0
"""Open the jepa shell on a console of a machine that runs."""

from __future__ import annotations

from typing import Final

from tools.vm.machine import Machine

_DROP_IN: Final = """\
[Unit]
ConditionCredential=
[Service]
SetCredential=jepa.console.{console}:{terminal}
"""


def open_shell(machine: Machine, console: str, terminal: str) -> None:
    """Start the shell as the credential jepa.console.CONSOLE at power on would, to spare another boot.

    ``terminal`` is what that credential holds: TERM COLUMNS ROWS.
    """
    folder = f"/run/systemd/system/jepa-console@{console}.service.d"
    drop_in = _DROP_IN.format(console=console, terminal=terminal)
    machine.succeed(
        f"mkdir -p {folder}; cat > {folder}/opened.conf <<'END'\n{drop_in}END\nsystemctl daemon-reload"
    )
    getty = "serial-getty" if console.startswith("ttyS") else "getty"
    machine.succeed(f"systemctl stop {getty}@{console}; systemctl start jepa-console@{console}")
