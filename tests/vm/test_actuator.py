# SPDX-License-Identifier: Apache-2.0
"""The actuator under systemd and polkit: who may ask, what survives its death, a restart and a power cut."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tools.vm.channel import Answer
from tools.vm.image import Image
from tools.vm.machine import Machine
from tools.vm.ready import wait_until_ready

pytestmark = pytest.mark.vm

SOCKET = "/run/jepa-actuator/actuator.sock"
SLOW_S = 120
"""An emulated machine takes ten seconds and more to start the actuator."""
PARAMETER = "vm.swappiness"
PAUSE_S = 1.5
"""A setting that was changed may be changed again after a second."""


def varlink(machine: Machine, method: str, *, before: str = "", **parameters: Any) -> Answer:
    """Call a method as systemd's own tool does; ``before`` makes somebody else of the caller."""
    words = f"varlinkctl call --timeout={SLOW_S} {SOCKET} io.jepa.Actuator.{method}"
    return machine.execute(f"{before} {words} '{json.dumps(parameters)}'", SLOW_S)


def called(machine: Machine, method: str, **parameters: Any) -> dict[str, Any]:
    answer = varlink(machine, method, **parameters)
    assert answer.status == 0, answer
    found: dict[str, Any] = json.loads(answer.out)
    return found


def act(machine: Machine, value: int, **more: Any) -> dict[str, Any]:
    request = {"action": PARAMETER, "value": str(value), **more}
    change: dict[str, Any] = called(machine, "Act", request=request)["change"]
    return change


def value(machine: Machine) -> int:
    return int(machine.succeed(f"sysctl -n {PARAMETER}"))


def states(machine: Machine) -> dict[str, str]:
    return {each["id"]: each["state"] for each in called(machine, "History")["changes"]}


def person(machine: Machine, name: str = "ann", uid: int = 4711) -> str:
    """Make a user without a session; what runs a command as that user."""
    machine.succeed(f"grep -q ^{name}: /etc/passwd || echo '{name}:x:{uid}:{uid}::/:/bin/sh' >>/etc/passwd")
    return f"setpriv --reuid {uid} --regid {uid} --clear-groups"


@pytest.mark.actuator_only
def test_systemds_own_tool_speaks_with_it(machine: Machine) -> None:
    machine.succeed("systemctl stop jepa-actuator.service", SLOW_S)
    info = machine.succeed(f"varlinkctl info {SOCKET}", SLOW_S)  # this starts it
    assert "Product: jepa-actuator" in info
    told = machine.succeed(f"varlinkctl introspect {SOCKET} io.jepa.Actuator", SLOW_S)
    assert "method Act(" in told
    assert machine.succeed("readlink /run/varlink/registry/io.jepa.Actuator").strip() == SOCKET

    old = value(machine)
    preview = called(machine, "Check", request={"action": PARAMETER, "value": "11"})["preview"]
    assert (preview["old"], preview["new"], preview["verdict"]["decision"]) == (old, 11, "allow")
    change = act(machine, 11, why="to try")
    assert (change["state"], change["from"], value(machine)) == ("committed", old, 11)
    journal = machine.succeed(f"journalctl -o json JEPA_CHANGE={change['id']} JEPA_STATE=committed")
    entry = json.loads(journal.splitlines()[-1])
    assert (entry["JEPA_ACTION"], entry["JEPA_TO"]) == (PARAMETER, "11")
    assert entry["_SYSTEMD_UNIT"] == "jepa-actuator.service"
    undone = called(machine, "Undo", change=change["id"])["changes"]
    assert ([each["state"] for each in undone], value(machine)) == (["undone"], old)

    refused = varlink(machine, "Act", request={"action": PARAMETER, "value": "9999"})
    assert refused.status != 0
    assert "io.jepa.Actuator.Invalid" in refused.err


@pytest.mark.actuator_only
def test_polkit_decides_for_persons(machine: Machine) -> None:
    ann, old = person(machine), value(machine)
    request = {"action": PARAMETER, "value": "12"}
    checked = varlink(machine, "Check", before=ann, request=request)
    assert json.loads(checked.out)["preview"]["verdict"]["decision"] == "allow"

    # without a session nobody is sitting there, so it takes a password
    refused = varlink(machine, "Act", before=ann, request=request)
    assert "io.jepa.Actuator.Refused" in refused.err, refused
    assert value(machine) == old

    machine.succeed(
        "printf '%s' 'polkit.addRule(function(action, subject) {"
        ' if (action.id == "org.jepa.tune" && subject.user == "ann") return polkit.Result.YES; });\''
        " >/etc/polkit-1/rules.d/10-ann.rules"
    )
    machine.wait_until_succeeds("systemctl reload-or-restart polkit", SLOW_S)
    allowed = varlink(machine, "Act", before=ann, request=request)
    assert allowed.status == 0, allowed
    assert json.loads(allowed.out)["change"]["uid"] == 4711
    assert value(machine) == 12

    # another person, for whom there is no rule, neither changes nor takes back
    bob = person(machine, "bob", 4712)
    time.sleep(PAUSE_S)  # or it is refused because of that, whoever asks
    refused = varlink(machine, "Act", before=bob, request={**request, "value": "13"})
    assert "takes the password of an administrator" in refused.err + refused.out, refused
    change = json.loads(allowed.out)["change"]["id"]
    for method, asked, reason in (
        ("Undo", {"change": change}, f"{change} is not taken back"),
        ("Expire", {"change": change}, "Only root may have a change looked at"),
        ("Grant", {"grant": GRANT}, "takes the password of an administrator"),
    ):
        refused = varlink(machine, method, before=bob, **asked)
        assert reason in refused.err + refused.out, refused
    assert varlink(machine, "Undo", before=ann, change=change).status == 0
    assert value(machine) == old

    machine.succeed("systemctl mask --runtime --now polkit", SLOW_S)
    gone = varlink(machine, "Act", before=ann, request=request)
    assert "io.jepa.Actuator.Unavailable" in gone.err, gone
    assert value(machine) == old
    assert act(machine, 14)["state"] == "committed"  # root needs no polkit


@pytest.mark.actuator_only
def test_the_shell_that_a_credential_asked_for_may_tune_and_no_other_process_of_its_user(
    machine: Machine,
) -> None:
    old = value(machine)
    request = {"action": PARAMETER, "value": "12"}
    call = f"exec varlinkctl call --timeout={SLOW_S} {SOCKET} io.jepa.Actuator.Act"
    machine.succeed(
        "mkdir -p /run/test;"
        " printf '[Service]\\nType=oneshot\\nUser=jepa\\nSlice=user.slice\\nExecStart=sh /run/test/act\\n'"
        " >/run/systemd/system/jepa-console@probe.service; systemctl daemon-reload;"
        f" echo '{call} \"$(cat /run/test/asked)\"' >/run/test/act;"
        f" echo '{json.dumps({'request': request})}' >/run/test/asked"
    )
    another = "systemd-run --quiet --pipe --wait --uid=jepa --slice=user.slice -p SuccessExitStatus=1"
    elsewhere = varlink(machine, "Act", before=another, request=request)
    assert "This takes the password of an administrator" in elsewhere.out + elsewhere.err, elsewhere
    assert value(machine) == old
    machine.succeed("systemctl start jepa-console@probe", SLOW_S)
    assert value(machine) == 12


GRANT = {"task": "t1", "actions": [PARAMETER], "targets": ["machine"]}


@pytest.mark.actuator_only
def test_it_holds_little_memory_and_three_capabilities(machine: Machine) -> None:
    act(machine, 15)
    pid = machine.succeed("systemctl show -P MainPID jepa-actuator").strip()
    lines = machine.succeed(f"cat /proc/{pid}/status").splitlines()
    status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    assert int(status["VmRSS"].split()[0]) <= 30 * 1024
    assert int(status["VmLck"].split()[0]) > 0
    # KILL, SYS_PTRACE, SYS_NICE
    assert int(status["CapEff"], 16) == 1 << 5 | 1 << 19 | 1 << 23


@pytest.mark.slow
@pytest.mark.actuator_only
def test_it_ends_when_idle_and_leaves_what_was_set(machine: Machine) -> None:
    act(machine, 15)
    machine.wait_until_succeeds("systemctl is-active jepa-actuator | grep -q '^inactive'", 150, poll=5)
    assert value(machine) == 15
    assert machine.succeed("systemctl show -P Result jepa-actuator").strip() == "success"
    assert json.loads(machine.succeed("cat /run/jepa-actuator/summary.json"))["changes"][0]["to"] == 15


@pytest.mark.actuator_only
@pytest.mark.allow("jepa-actuator.service", "it is killed")
def test_a_restart_and_a_kill_keep_what_is_committed(machine: Machine) -> None:
    change = act(machine, 16)["id"]
    machine.succeed("systemctl restart jepa-actuator", SLOW_S)
    assert (value(machine), states(machine)[change]) == (16, "committed")
    machine.succeed("systemctl kill -s KILL jepa-actuator")
    assert (value(machine), states(machine)[change]) == (16, "committed")


@pytest.mark.actuator_only
@pytest.mark.allow("jepa-actuator.service|asks.service", "it is killed while somebody waits for it")
def test_killed_while_watching_it_is_taken_back_at_once(machine: Machine) -> None:
    old = value(machine)
    begin_watched(machine, 17)
    machine.succeed("systemctl kill -s KILL jepa-actuator")
    machine.wait_until_succeeds(f"test $(sysctl -n {PARAMETER}) = {old}", SLOW_S)
    assert "reverted" in states(machine).values()
    machine.succeed("systemctl reset-failed asks.service")


def begin_watched(machine: Machine, wanted: int) -> None:
    """Have a change watched for long; return while it is in force."""
    request = json.dumps({"request": {"action": PARAMETER, "value": str(wanted), "watch_s": 600}})
    call = f"varlinkctl call --more --timeout=infinity {SOCKET} io.jepa.Actuator.Act"
    machine.succeed(f"systemd-run --unit=asks {call} '{request}'", SLOW_S)
    machine.wait_until_succeeds(f"test $(sysctl -n {PARAMETER}) = {wanted}", SLOW_S)


@pytest.mark.allow("jepa", "everything of it is killed")
def test_the_dead_mans_timer_needs_none_of_us(machine: Machine) -> None:
    old = value(machine)
    change = act(machine, 18, for_s=20)["id"]
    assert f"jepa-revert-{change}" in machine.succeed("systemctl list-timers --all --no-pager")
    machine.succeed("systemctl mask --runtime jepa-actuator.service jepad.service jepa-healing.service")
    machine.succeed(
        "for one in jepa-actuator jepad jepa-telemetry; do systemctl kill -s KILL $one; done; true"
    )
    assert value(machine) == 18
    machine.wait_until_succeeds(f"test $(sysctl -n {PARAMETER}) = {old}", SLOW_S, poll=2)
    machine.succeed("systemctl unmask --runtime jepa-actuator.service jepad.service jepa-healing.service")
    machine.succeed("systemctl reset-failed")


@pytest.mark.slow
def test_a_power_cut_in_the_middle_of_a_change(
    new_machine: Callable[..., Machine], image: Image, tmp_path: Any
) -> None:
    disk = image.overlay(tmp_path / "cut.qcow2")
    machine = new_machine("cut", disk, kernel=image.kernel, initrd=image.initrd)
    machine.start()
    wait_until_ready(machine)
    old = value(machine)
    # another parameter: one that was just set is not set again so soon
    request = {"action": "vm.vfs_cache_pressure", "value": "120"}
    kept = called(machine, "Act", request=request)["change"]["id"]
    begin_watched(machine, 19)
    machine.crash()
    machine.start()
    wait_until_ready(machine)
    assert value(machine) == old
    assert machine.succeed("systemctl show -P Result jepa-recovery").strip() == "success"
    assert "basic.target" in machine.succeed("systemctl show -P Before jepa-recovery").split()
    changes = called(machine, "History")["changes"]
    assert {each["state"] for each in changes} == {"reverted"}
    assert kept in {each["id"] for each in changes}
    deadline = time.monotonic() + 30
    assert "jepa-revert" not in machine.succeed("systemctl list-timers --all --no-pager")
    assert time.monotonic() < deadline
