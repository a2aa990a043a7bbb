# SPDX-License-Identifier: Apache-2.0
"""The shell as a person sees it on the machine's own screen."""

import re
import time

import pytest

from tools.vm.jepa_console import open_shell
from tools.vm.machine import Machine

pytestmark = pytest.mark.vm


@pytest.mark.slow
def test_full_screen_shell_on_the_screen(machine: Machine) -> None:
    blank = machine.screenshot("tui-before")
    open_shell(machine, "tty1", "linux 0 0")
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
    deadline = time.monotonic() + 30 * machine.factor
    while machine.screenshot("tui-status").path.read_bytes() == shot.path.read_bytes():
        assert time.monotonic() < deadline, "what was typed is not shown"
        time.sleep(1)
    machine.succeed("systemctl is-active jepa-console@tty1")


@pytest.mark.quiet  # beside another machine the shell, which draws each second, does not come to draw anew
def test_the_shell_on_a_serial_console_has_the_size_of_the_terminal_that_shows_it(machine: Machine) -> None:
    machine.resize_terminal(130, 40)  # before anybody in the guest reads it, as at power on
    machine.forget_console()
    open_shell(machine, "ttyS0", "xterm-256color 80 24")
    machine.wait_until_succeeds("stty -F /dev/ttyS0 size | grep -x '40 130'")
    wait_for_drawing(machine, rows=40)
    machine.forget_console()
    machine.resize_terminal(100, 30)
    wait_for_drawing(machine, rows=30)
    assert machine.succeed("stty -F /dev/ttyS0 size").split() == ["30", "100"]


def wait_for_drawing(machine: Machine, rows: int) -> None:
    """Wait until the shell has drawn its last row, and nothing beyond it since.

    What was still on its way when the size changed is drawn for the old size first.
    """
    deadline = time.monotonic() + 30 * machine.factor
    drawn: list[int] = []
    while rows not in drawn:
        assert time.monotonic() < deadline, f"rows drawn: {sorted(set(drawn))}"
        time.sleep(1)
        drawn = [int(row) for row in re.findall(rb"\x1b\[(\d+);1H", machine.console_bytes())]
        beyond = [place for place, row in enumerate(drawn) if row > rows]
        drawn = drawn[beyond[-1] + 1 :] if beyond else drawn
