# SPDX-License-Identifier: Apache-2.0
"""The verdict as a whole: who asks, other tuners, undo, batteries, roles, and what is shown."""

import os
import shutil
import subprocess
import time
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from jepa.actions.catalogue import TargetKind, catalogue
from jepa.actions.change import Caller, State
from jepa.actions.clock import HostClock
from jepa.actions.family import Host, NoServiceManager
from jepa.actions.guard.guard import Guard, on_battery
from jepa.actions.guard.tuners import HELD_WITHOUT_PROCESS, TUNERS, Tuners
from jepa.actions.guard.unit_role import role_of
from tests.unit.actions.guard.machine import DAEMON, HEALING, PERSON, ROOT, WEB, Machine, change, proposal


def test_a_caller_that_has_ended_is_answered_nothing(machine: Machine) -> None:
    with subprocess.Popen(["true"]) as process:
        pidfd = os.pidfd_open(process.pid)
    try:
        caller = replace(PERSON, pid=process.pid, pidfd=pidfd)
        assert "has ended" in machine.reasons(proposal(caller=caller))
        assert machine.guard.judge_undo(change(proposal()), caller).decision == "deny"
    finally:
        os.close(pidfd)


def test_what_cannot_be_told_is_refused(machine: Machine) -> None:
    unit = proposal("process.nice", "nowhere.service", 5, ROOT, kind=TargetKind.UNIT)
    assert machine.reasons(unit) == "There is no unit nowhere.service."
    machine.guard = Guard(Host(machine.root, NoServiceManager()), machine.store, machine.grants, "0")
    assert "systemd does not run here" in machine.reasons(unit)


def test_every_reason_is_a_sentence(machine: Machine) -> None:
    machine.process(1, "/init.scope")
    asked = [
        proposal(),
        proposal(caller=WEB),
        proposal(caller=DAEMON),
        proposal("process.kill", "1", "killed"),
        proposal("process.nice", "ssh.service", 5, kind=TargetKind.UNIT),
        proposal("process.nice", "a b", 5, kind=TargetKind.UNIT),
    ]
    for each in asked:
        reasons = machine.guard.judge(each, [], 1.0).reasons
        assert reasons
        assert all(reason.endswith((".", ")")) and "  " not in reason for reason in reasons), reasons


# Other tuners


def active(machine: Machine, comm: str, pid: int = 300) -> None:
    machine.process(pid, "/", comm=comm)
    (machine.root / "proc" / str(pid) / "cmdline").write_text(f"/usr/sbin/{comm}\0")


@pytest.mark.skipif(os.geteuid() != 0, reason="tuners run as root")
def test_a_person_is_asked_where_another_program_holds_the_setting(machine: Machine) -> None:
    active(machine, "tuned")
    assert machine.decide(proposal()) == "ask"
    assert "tuned is active, holds vm.swappiness and may set it again." in machine.reasons(proposal())
    assert machine.guard.holder("vm.swappiness") == "tuned"
    assert machine.guard.holder("cpu.weight") == ""
    machine.policy('[tuners]\nignore = ["tuned"]\n')
    assert machine.decide(proposal()) == "allow"


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a directory to another user")
def test_nobody_else_makes_the_guard_yield_by_a_name(machine: Machine) -> None:
    active(machine, "tuned")
    os.chown(machine.root / "proc/300", 1000, 1000)
    assert machine.decide(proposal()) == "allow"


def test_a_daemon_ends_no_process_beside_earlyoom(machine: Machine) -> None:
    machine.grants.add({"task": "healing", "actions": ["process.kill"], "targets": ["*"]}, 0)
    machine.process(70, "/system.slice/backup.service")
    kill = proposal("process.kill", "70", "killed", HEALING, None, request={"task": "healing"})
    assert machine.decide(kill) == "allow"
    active(machine, "systemd-oomd")
    assert "systemd-oomd is active" in machine.reasons(kill)
    assert machine.decide(replace(kill, caller=ROOT)) == "ask"
    machine.policy('[tuners]\nignore = ["*"]\n')
    assert machine.decide(kill) == "allow"


@pytest.mark.parametrize(
    ("setting", "name"),
    [
        ("cpu.governor", "TLP"),
        ("cpu.weight", "sched_ext"),
        ("process.nice", "sched_ext"),
        ("memory.high", ""),
    ],
)
def test_tuners_without_a_process(tmp_path: Path, setting: str, name: str) -> None:
    (tmp_path / "run/tlp").mkdir(parents=True)
    (tmp_path / "sys/kernel/sched_ext").mkdir(parents=True)
    (tmp_path / "sys/kernel/sched_ext/state").write_text("enabled\n")
    assert Tuners(tmp_path).holder(setting) == name
    assert Tuners(tmp_path).holder(setting, ("tlp", "sched_*")) == ""


def test_what_tuners_hold_is_in_the_catalogue() -> None:
    settings = {each.setting for each in catalogue().values()}
    held = [*(each.holds for each in TUNERS), *HELD_WITHOUT_PROCESS.values()]
    for pattern in {each for patterns in held for each in patterns}:
        assert any(fnmatchcase(setting, pattern) for setting in settings), pattern


def test_which_tuners_run_is_looked_at_every_other_second(machine: Machine) -> None:
    now_s = [100.0]
    seen = Tuners(machine.root, lambda: now_s[0])
    assert seen.holder("vm.swappiness") == ""
    active(machine, "tuned")
    now_s[0] = 101.9
    assert seen.holder("vm.swappiness") == ""
    now_s[0] = 102.1
    assert seen.holder("vm.swappiness") == ("tuned" if os.geteuid() < 1000 else "")


@pytest.mark.skipif(os.geteuid() != 0, reason="tuners run as root")
def test_a_tuner_that_really_runs(tmp_path: Path) -> None:
    program = tmp_path / "ananicy-cpp"
    shutil.copy("/bin/sleep", program)
    with subprocess.Popen([program, "60"]) as process:
        try:
            while Path(f"/proc/{process.pid}/comm").read_text().strip() != "ananicy-cpp":
                time.sleep(0.01)
            assert Tuners().holder("process.nice") == "ananicy-cpp"
        finally:
            process.kill()


# Undo


@pytest.mark.parametrize(
    ("caller", "maker", "allowed"),
    [
        (PERSON, PERSON, True),
        (PERSON, Caller(uid=1001), False),
        (PERSON, ROOT, False),
        (PERSON, DAEMON, True),
        (PERSON, HEALING, True),
        (ROOT, PERSON, True),
        (ROOT, DAEMON, True),
        (DAEMON, DAEMON, True),
        (DAEMON, HEALING, False),
        (HEALING, DAEMON, True),
        (HEALING, PERSON, False),
        (DAEMON, PERSON, False),
        (WEB, WEB, False),
        (WEB, DAEMON, False),
        (replace(DAEMON, uid=0), PERSON, False),
    ],
)
def test_who_may_take_back_what(machine: Machine, caller: Caller, maker: Caller, allowed: bool) -> None:
    verdict = machine.guard.judge_undo(change(proposal(caller=maker), State.COMMITTED), caller)
    assert (verdict.decision == "allow") is allowed
    assert verdict.reasons


def test_a_daemon_takes_back_its_own_after_its_grant_was_revoked(machine: Machine) -> None:
    grant = machine.guard.grant({"task": "t1", "actions": ["vm.swappiness"], "targets": ["machine"]}, PERSON)
    asked = proposal(caller=DAEMON, request={"task": "t1"})
    machine.guard.revoke(grant.id, PERSON)
    assert machine.decide(asked) == "deny"
    assert machine.guard.judge_undo(change(asked), DAEMON).decision == "allow"


# What conditions look at


@pytest.mark.parametrize(
    ("supplies", "expected"),
    [
        ({}, False),
        ({"BAT0": {"type": "Battery"}, "AC": {"type": "Mains", "online": "1"}}, False),
        ({"BAT0": {"type": "Battery"}, "AC": {"type": "Mains", "online": "0"}}, True),
        ({"BAT0": {"type": "Battery"}, "usb": {"type": "USB", "online": "1"}}, False),
        ({"BAT0": {"type": "Battery"}}, True),
        ({"mouse": {"type": "Battery", "scope": "Device"}}, False),
        ({"usb": {"type": "USB", "online": "0"}}, False),
    ],
)
def test_on_battery(tmp_path: Path, supplies: dict[str, dict[str, str]], expected: bool) -> None:
    for name, files in supplies.items():
        folder = tmp_path / "sys/class/power_supply" / name
        folder.mkdir(parents=True)
        for file, text in files.items():
            (folder / file).write_text(f"{text}\n")
    assert on_battery(tmp_path) is expected


@pytest.mark.parametrize(
    ("cgroup", "role"),
    [
        ("/user.slice/user-1000.slice/session-1.scope", "foreground"),
        ("/user.slice/user-1000.slice/user@1000.service/background.slice/x.service", "background"),
        ("/background.slice/make.scope", "background"),
        ("/system.slice/nginx.service", "system"),
        ("/", "system"),
    ],
)
def test_the_role_of_a_group(tmp_path: Path, cgroup: str, role: str) -> None:
    assert role_of(cgroup, tmp_path) == role


def test_an_assigned_role_counts(machine: Machine) -> None:
    machine.policy('[[forbid]]\nid = "no"\nrole = "background"\nreason = "It may take its time."\n')
    wanted = proposal("process.nice", "backup.service", 5, kind=TargetKind.UNIT)
    assert machine.decide(wanted) == "allow"
    (machine.root / "etc/jepa/roles.toml").write_text(
        '[[role]]\nrole = "background"\ncgroups = ["system.slice/backup.service"]\n'
    )
    assert "It may take its time." in machine.reasons(wanted)


# On this machine


def test_a_guard_of_this_machine_counts_the_changes_of_this_boot(tmp_path: Path) -> None:
    guard = Guard.of(Host(), tmp_path)
    assert guard.policy_fault == ""
    wanted = proposal(dwell_s=30.0, caller=ROOT)
    made = replace(change(wanted), boot_id=HostClock().boot_id)
    assert guard.judge(wanted, [made], 5000.0).decision == "deny"
    assert guard.judge(wanted, [replace(made, boot_id="f" * 32)], 5000.0).decision != "deny"
