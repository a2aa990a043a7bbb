# SPDX-License-Identifier: Apache-2.0
"""The shell as a person sees it on the machine's own screen."""

import time

import pytest

from tools.vm.machine import Machine

pytestmark = pytest.mark.vm

# As the credential jepa.console.tty1 at power on would; set on the running machine to spare another boot.
DROP_IN = """\
[Unit]
ConditionCredential=
[Service]
SetCredential=jepa.console.tty1:linux 0 0
"""


def test_full_screen_shell_on_the_screen(machine: Machine) -> None:
    folder = "/run/systemd/system/jepa-console@tty1.service.d"
    machine.succeed(
        f"mkdir -p {folder}; cat > {folder}/test.conf <<'END'\n{DROP_IN}END\nsystemctl daemon-reload"
    )
    blank = machine.screenshot("tui-before")
    machine.succeed("systemctl stop getty@tty1; systemctl start jepa-console@tty1")
    deadline = time.monotonic() + 30 * machine.factor
    while (shot := machine.screenshot("tui")).colours < blank.colours + 4:
        assert time.monotonic() < deadline, f"nothing is drawn: {shot}"
        machine.succeed("systemctl is-active jepa-console@tty1")
        time.sleep(1)
    time.sleep(2 * machine.factor)  # let a few frames be drawn before a person looks at the picture
    shot = machine.screenshot("tui")
    machine.say(f"{shot}")
    assert shot.colours > 4
    assert shot.lit > 0.02
    machine.type("status\n")
    time.sleep(machine.factor)
    assert machine.screenshot("tui-status").path.read_bytes() != shot.path.read_bytes()
    machine.succeed("systemctl is-active jepa-console@tty1")
