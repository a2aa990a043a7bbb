# SPDX-License-Identifier: Apache-2.0
"""`jepa run` under systemd: a scope in the role's slice, limits that hold and end, the command's exit."""

import json
import time

import pytest

from tests.vm.guest import part, status
from tools.vm.machine import Machine

pytestmark = pytest.mark.vm

GROUP = "cat /proc/self/cgroup"
MEMORY = "cat /sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)/memory.max"
LIMITS = "g=/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup); cat $g/cpu.max $g/memory.max $g/pids.max"

BUSY = (
    'timeout 4 sh -c "while :; do :; done"; g=/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup); '
    'sed -n "s/usage_usec //p" $g/cpu.stat'
)
"""Works for four seconds, and then says how much CPU time its group had, in us."""


@pytest.mark.actuator_only
def test_a_command_runs_in_the_slice_of_its_role_and_its_limits_are_the_kernels(machine: Machine) -> None:
    group = machine.succeed(f"jepa run --background -- {GROUP}")
    assert "/background.slice/jepa-run-" in group
    assert "/user.slice/jepa-run-" in machine.succeed(f"jepa run --foreground -- {GROUP}")
    limits = machine.succeed(
        f"jepa run --background --cpu 40% --memory 512M --limit pids.max=77 -- sh -c '{LIMITS}'"
    )
    assert limits.split() == ["40000", "100000", str(512 * 2**20), "77"]
    assert machine.succeed("cat /sys/fs/cgroup/background.slice/cpu.weight").strip() == "20"


@pytest.mark.actuator_only
def test_the_commands_end_is_that_of_jepa_run_and_nothing_is_left(machine: Machine) -> None:
    machine.succeed("jepa run --background -- sh -c 'exit 7'; test $? = 7")
    machine.succeed("jepa run --background -- sh -c 'kill -9 $$'; test $? = 137")
    assert machine.succeed("echo in | jepa run --background -- cat") == "in\n"
    machine.succeed("jepa run --background -- no-such-command; test $? = 127")
    machine.wait_until_succeeds("! systemctl list-units --all --plain 'jepa-run-*' | grep -q jepa-run-")


@pytest.mark.actuator_only
def test_a_quota_slows_the_work_and_is_lifted_after_its_time(machine: Machine) -> None:
    machine.succeed(f"printf '%s\\n' '{BUSY}' > /tmp/busy")
    slowed = int(machine.succeed("jepa run --background --cpu 10% -- sh /tmp/busy"))
    free = int(machine.succeed("jepa run --background -- sh /tmp/busy"))
    assert slowed < 0.5 * free
    machine.succeed("jepa run --background --cpu 10% --for 5s -- sleep 300 </dev/null >/dev/null 2>&1 &")
    read = "cat /sys/fs/cgroup/background.slice/jepa-run-*.scope/cpu.max"
    wait_for(machine, read, "10000 100000")
    # Without any quota left in the slice, systemd takes the controller away, and the file with it.
    machine.wait_until_succeeds(f"! {read} 2>/dev/null | grep -q '^10000 '", timeout=60)
    machine.succeed("systemctl --quiet is-active 'jepa-run-*.scope'")


@pytest.mark.actuator_only
def test_a_person_has_scopes_of_their_own_manager(machine: Machine) -> None:
    uid = machine.succeed("id -u jepa").strip()
    machine.succeed(f"systemctl start user@{uid}")
    line = f"XDG_RUNTIME_DIR=/run/user/{uid} setpriv --reuid {uid} --regid {uid} --clear-groups"
    group = machine.succeed(f"{line} jepa run --background --memory 256M -- sh -c '{GROUP}; {MEMORY}'")
    assert f"/user@{uid}.service/background.slice/jepa-run-" in group
    assert str(256 * 2**20) in group


GET = """\
import http.client, socket, sys
asked = http.client.HTTPConnection("jepa")
asked.sock = socket.socket(socket.AF_UNIX)
asked.sock.connect("/run/jepa/api.sock")
asked.request("GET", sys.argv[1])
print(asked.getresponse().read().decode())
"""


@pytest.mark.slow
def test_doctor_the_api_and_completion_know_the_actuator(machine: Machine) -> None:
    change = json.loads(machine.succeed("jepa act vm.swappiness 55 --for 10m --json"))
    found = part(status(machine), "actuator")
    assert (found["state"], found["reason"]) == ("ok", "1 change in force.")
    assert json.loads(machine.succeed(f"python3 -c '{GET}' /v1/history"))[0]["id"] == change["id"]
    metrics = machine.succeed(f"python3 -c '{GET}' /metrics")
    assert 'jepa_actions_in_force{state="committed"} 1' in metrics
    assert "jepad.service" in machine.succeed("jepa completion bash --words act cpu.max jepad")
    machine.succeed(f"jepa undo {change['id']}")


def wait_for(machine: Machine, command: str, text: str) -> None:
    """Wait until the output of ``command`` begins with ``text``."""
    deadline = time.monotonic() + 20 * machine.factor
    while not (said := machine.execute(command).out).startswith(text):
        assert time.monotonic() < deadline, said
        time.sleep(1)
