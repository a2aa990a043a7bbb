# SPDX-License-Identifier: Apache-2.0
"""What is protected stays untouched, by whatever name, alias, template, slice, link or PID it is named."""

import os
import random
import shutil
import subprocess
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jepa.actions.catalogue import TargetKind
from jepa.actions.change import Caller, Proposal
from jepa.actions.family import Host
from jepa.actions.guard import protected
from jepa.actions.guard.grants import GrantStore
from jepa.actions.guard.guard import Guard
from jepa.actions.service_manager import Unit
from tests.unit.actions.guard.machine import BOOT, DAEMON, PERSON, ROOT, Machine, Manager, alone, proposal
from tests.unit.actions.guard.spellings import spelled


def unit_action(target: str, caller: Caller = ROOT, **more: Any) -> Proposal:
    """A change of a unit, of whatever kind: the guard looks at the target alone."""
    return proposal("process.nice", target, 5, caller, 0, kind=TargetKind.UNIT, **more)


def test_an_ordinary_unit_may_be_changed(machine: Machine) -> None:
    assert machine.decide(unit_action("backup.service")) == "allow"
    assert machine.decide(unit_action("worker@3.service")) == "allow"
    assert machine.decide(unit_action("background.slice")) == "allow"


@pytest.mark.parametrize("caller", [PERSON, ROOT, DAEMON])
@pytest.mark.parametrize(
    "name",
    [
        "init.scope", "systemd-journald.service", "dbus.service", "systemd-udevd.service", "ssh.service",
        "systemd-logind.service", "polkit.service", "systemd-networkd.service", "NetworkManager.service",
        "lvm2-monitor.service", "mdmonitor.service", "multipathd.service", "iscsid.service", "jepad.service",
        "jepa-actuator.service", "jepa.slice", "safety.slice", "system.slice", "user.slice", "-.slice",
        "-.mount", "multi-user.target", "getty@tty1.service", "wpa_supplicant.service",
    ],
)  # fmt: skip
def test_what_the_machine_needs_is_protected(machine: Machine, name: str, caller: Caller) -> None:
    assert machine.decide(unit_action(name, caller)) == "deny"
    assert "protected" in machine.reasons(unit_action(name, caller))


@pytest.mark.parametrize("alias", ["sshd.service", "dbus-org.freedesktop.login1.service"])
def test_an_alias_is_what_it_stands_for(machine: Machine, alias: str) -> None:
    assert machine.decide(unit_action(alias)) == "deny"


def test_what_the_bus_starts_is_not_the_bus(machine: Machine) -> None:
    machine.manager.add("bluetooth.service", names=("bluetooth.service", "dbus-org.bluez.service"))
    assert machine.decide(unit_action("bluetooth.service")) == "allow"


def test_a_unit_that_has_a_protected_alias_is_protected_by_its_own_name(machine: Machine) -> None:
    machine.manager.add("remote-login.service", names=("remote-login.service", "sshd.service"))
    assert "which is also sshd.service" in machine.reasons(unit_action("remote-login.service"))


def test_a_link_to_a_protected_units_file_is_that_unit(machine: Machine, tmp_path: Path) -> None:
    real = tmp_path / "ssh.service"
    real.touch()
    link = tmp_path / "shell.service"
    link.symlink_to(real)
    machine.manager.add("shell.service", fragment=str(link))
    assert machine.decide(unit_action("shell.service")) == "deny"


def test_a_copy_or_drop_in_that_runs_a_protected_program_is_protected(machine: Machine) -> None:
    machine.process(40, exe="/usr/sbin/sshd")
    machine.manager.add("my-login.service", main_pid=40)
    assert "/usr/sbin/sshd" in machine.reasons(unit_action("my-login.service"))


def test_the_slices_around_a_protected_unit_are_protected_by_it(machine: Machine) -> None:
    machine.manager.add("web.slice", "")
    machine.cgroup("web.slice/web-front.slice/nginx.service")
    assert machine.decide(unit_action("web.slice")) == "allow"
    machine.cgroup("web.slice/web-front.slice/ssh@7-10.0.0.1:22.service")
    assert "web.slice holds ssh@7-10.0.0.1:22.service" in machine.reasons(unit_action("web.slice"))


def test_the_slice_of_a_templates_instances_is_protected_before_there_are_any(machine: Machine) -> None:
    for name in (
        "system-getty.slice",
        "system-sshd.slice",
        r"system-serial\x2dgetty.slice",
        r"syst\x65m-getty.slice",
        "system-worker.slice",
    ):
        machine.manager.add(name, "", cgroup="")
        expected = "allow" if "worker" in name else "deny"
        assert machine.decide(unit_action(name)) == expected, name


def test_what_a_container_calls_its_units_protects_nothing_outside(machine: Machine) -> None:
    machine.manager.add("machine.slice", "")
    machine.cgroup("machine.slice/machine-web.scope/payload/system.slice/ssh.service")
    assert machine.decide(unit_action("machine.slice")) == "allow"


def test_what_stops_a_protected_unit_with_it_is_refused(machine: Machine) -> None:
    start, stop = ({"name": f"unit.{each}", "family": "unit_state"} for each in ("start", "stop"))
    machine.manager.properties["backup.service", "BoundBy"] = ["middle.service"]
    machine.manager.properties["middle.service", "RequiredBy"] = ["ssh.service", "multi-user.target"]
    assert "It would stop ssh.service" in machine.reasons(unit_action("backup.service", **stop))
    assert machine.decide(unit_action("backup.service", **start)) == "deny"  # its undo would
    machine.manager.properties["nginx.service", "Wants"] = ["helper.service"]
    machine.manager.properties["helper.service", "Conflicts"] = ["shutdown.target", "NetworkManager.service"]
    assert "It would stop NetworkManager" in machine.reasons(unit_action("nginx.service", **start))
    machine.manager.properties["postgresql.service", "Requires"] = ["sysinit.target", "poweroff.target"]
    assert "poweroff.target" in machine.reasons(unit_action("postgresql.service", **start))


def test_what_hangs_on_a_unit_is_not_looked_for_when_it_is_protected_itself(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(machine.manager, "get", lambda *what: asked.append(what) or [])
    stop = {"name": "unit.stop", "family": "unit_state"}
    assert machine.decide(unit_action("ssh.service", **stop)) == "deny"
    assert asked == []
    machine.decide(unit_action("backup.service", **stop))
    assert ("backup.service", "Unit", "RequiredBy") in asked


def test_what_starts_a_protected_unit_is_protected_by_it(machine: Machine) -> None:
    machine.manager.add("knock.socket")
    machine.manager.properties["knock.socket", "Triggers"] = ["ssh.service"]
    assert "knock.socket starts ssh.service" in machine.reasons(unit_action("knock.socket"))
    machine.manager.properties["knock.socket", "Triggers"] = ["backup.service"]
    assert machine.decide(unit_action("knock.socket")) == "allow"


def test_what_would_be_unmounted_or_swapped_off_with_a_unit_stays(machine: Machine) -> None:
    stop = {"name": "unit.stop", "family": "unit_state"}
    for name in ("srv.mount", "dev-zram0.swap"):
        machine.manager.properties["backup.service", "RequiredBy"] = [name, "multi-user.target"]
        assert f"It would stop {name}" in machine.reasons(unit_action("backup.service", **stop))
    machine.manager.properties["backup.service", "RequiredBy"] = ["multi-user.target", "dev-sda.device"]
    assert machine.decide(unit_action("backup.service", **stop)) == "allow"


def test_a_mount_that_is_part_of_a_service_alone_is_mounted_anew_with_it(machine: Machine) -> None:
    restart = {"name": "unit.restart", "family": "unit_state"}
    properties = machine.manager.properties
    properties["backup.service", "ConsistsOf"] = ["srv-backup.mount"]
    assert "It would stop srv-backup.mount" in machine.reasons(unit_action("backup.service", **restart))
    properties["srv-backup.mount", "PartOf"] = ["backup.service"]
    properties["srv-backup.mount", "RequiredBy"] = ["backup.service"]
    assert machine.decide(unit_action("backup.service", **restart)) == "allow"
    stop = {"name": "unit.stop", "family": "unit_state"}
    assert "It would stop srv-backup.mount" in machine.reasons(unit_action("backup.service", **stop))
    for kind in ("RequiredBy", "RequisiteOf", "BoundBy", "ConsistsOf", "PartOf"):
        before = properties.get(("srv-backup.mount", kind), [])
        properties["srv-backup.mount", kind] = [*before, "nginx.service"]
        assert "It would stop srv-backup.mount" in machine.reasons(unit_action("backup.service", **restart))
        properties["srv-backup.mount", kind] = before
    assert machine.decide(unit_action("backup.service", **restart)) == "allow"


def test_dependencies_in_a_circle_end(machine: Machine) -> None:
    for one, other in (("backup.service", "nginx.service"), ("nginx.service", "backup.service")):
        machine.manager.properties[one, "RequiredBy"] = [other]
    assert machine.decide(unit_action("backup.service", name="unit.stop")) == "allow"


def test_a_slice_or_session_that_the_caller_is_in_is_its_own(machine: Machine) -> None:
    machine.process(500, "/user.slice/user-1000.slice/user@1000.service/app.slice/app-term.scope")
    caller = replace(PERSON, pid=500)
    for name in ("user-1000.slice", "user@1000.service"):
        assert "what you are working in" in machine.reasons(unit_action(name, caller))
    assert machine.decide(unit_action("session-3.scope", caller)) == "allow"
    assert machine.decide(unit_action("session-3.scope", ROOT)) == "deny"


@pytest.mark.parametrize("name", ["user-1000.slice", "user@1000.service", "session-3.scope"])
def test_no_daemon_changes_a_persons_session(machine: Machine, name: str) -> None:
    machine.grants.add({"task": "t", "actions": ["*"], "targets": ["*"]}, 0)
    wanted = unit_action(name, DAEMON, request={"task": "t"})
    assert "a person's session" in machine.reasons(wanted)
    assert machine.decide(unit_action("backup.service", DAEMON, request={"task": "t"})) == "allow"


def test_the_policy_adds_names_and_can_take_none_away(machine: Machine) -> None:
    machine.policy('[protect]\nunits = ["postgres*"]\n')
    assert "the policy names it" in machine.reasons(unit_action("postgresql.service"))
    machine.manager.add("db.slice", "")
    machine.cgroup("db.slice/postgresql.service")
    assert machine.decide(unit_action("db.slice")) == "deny"
    machine.policy('[[permit]]\nid = "all"\nreason = "All."\n[protect]\nunits = []\n')
    assert machine.decide(unit_action("ssh.service")) == "deny"


def test_a_policy_may_let_a_protected_unit_have_more_and_nothing_else(machine: Machine) -> None:
    weight = {"name": "cpu.weight", "setting": "cpu.weight"}
    more = replace(unit_action("ssh.service", **weight), old=100, new=200)
    assert machine.decide(more) == "deny"
    machine.policy(
        '[[permit]]\nid = "more"\ntarget = "ssh.service"\nraises_protected = true\nreason = "Log in."\n'
    )
    assert machine.decide(more) == "allow"
    assert machine.decide(replace(more, new=50)) == "deny"
    assert machine.decide(replace(more, old=None)) == "deny"
    assert machine.decide(replace(unit_action("ssh.service"), old=1, new=5)) == "deny"
    assert machine.decide(replace(more, caller=DAEMON)) == "deny"


# Fuzzing


def protected_names(dice: random.Random) -> list[str]:
    """One name for each pattern of the packaged set."""
    content = tomllib.loads(protected.FILE.read_text())
    patterns = [each for entry in content["protected"] for each in entry["units"]]
    kinds = ["service", "socket", "slice", "scope", "timer"]
    return [each if "*" not in each else made(each, dice.choice(kinds), dice) for each in patterns]


def made(pattern: str, kind: str, dice: random.Random) -> str:
    if pattern.endswith(".*"):
        return f"{pattern[:-2]}.{kind}"
    filled = pattern.replace("*", dice.choice(("x", "a-b", "tty1", "7")))
    typed = filled.endswith((".service", ".socket", ".slice", ".scope", ".timer"))
    return filled if typed else f"{filled}.{kind}"


class Obliging(Manager):
    """Has a unit of whatever name: as if somebody had made one, or systemd were laxer than it is."""

    def unit(self, name: str) -> Unit:
        return Unit(name, "loaded", "active", cgroup=f"/other.slice/{name}", names=(name,))


def fuzzed(root: Path, count: int, obliging: bool) -> list[str]:
    """The names, of ``count``, that were not refused."""
    dice = random.Random(15)
    machine = Machine(root, Obliging() if obliging else Manager())
    machine.policy('[[permit]]\nid = "all"\nreason = "All that can be allowed."\n')
    machine.grants.add({"task": "t", "actions": ["*"], "targets": ["*"], "rate_per_hour": 240}, 0)
    touched = []
    for _ in range(count):
        names = protected_names(dice)
        if not obliging:
            for name in names:
                machine.manager.add(name)
        name = spelled(dice.choice(names), dice)
        wanted = unit_action(name, dice.choice((PERSON, ROOT, DAEMON)), request={"task": "t"})
        if machine.decide(wanted) != "deny":
            touched.append(name)
    return touched


@pytest.mark.parametrize("obliging", [True, False])
def test_no_spelling_of_a_protected_name_is_let_through(tmp_path: Path, obliging: bool) -> None:
    assert fuzzed(tmp_path, 500, obliging) == []


@pytest.mark.slow
@pytest.mark.parametrize("obliging", [True, False])
def test_10_000_spellings_of_protected_names_are_refused(tmp_path: Path, obliging: bool) -> None:
    assert fuzzed(tmp_path, 10_000, obliging) == []


# Processes


def process_action(pid: int | str, caller: Caller = ROOT, identity: str = "") -> Proposal:
    return proposal("process.nice", str(pid), 5, caller, 0, identity)


@pytest.fixture
def real(tmp_path: Path) -> Guard:
    """A guard of this very machine."""
    host = Host()
    return Guard(host, alone(tmp_path), GrantStore(tmp_path / "grants", BOOT), BOOT)


def test_processes_that_run_here(real: Guard) -> None:
    me = replace(ROOT, pid=os.getpid())
    with subprocess.Popen(["sleep", "60"]) as child:
        try:
            assert real.judge(process_action(child.pid, me), [], 1.0).decision == "allow"
            for pid in (1, 2, os.getpid(), os.getppid()):
                assert real.judge(process_action(pid, me), [], 1.0).decision == "deny", pid
        finally:
            child.kill()


def test_a_thread_is_no_process_to_be_changed_by_itself(machine: Machine) -> None:
    machine.process(70, "/system.slice/backup.service", tgid=69)
    assert "is a thread of process 69" in machine.reasons(process_action(70))


@pytest.mark.parametrize(
    "pid", ["", "0", "-1", "1 ", "01", "1e0", "\u0661", "self", "1/../2", "./1", "9" * 30]
)
def test_a_pid_is_a_plain_number_of_a_process(machine: Machine, pid: str) -> None:
    machine.process(1, "/init.scope")
    machine.process(2, flags=0x00200000)
    assert machine.decide(process_action(pid)) == "deny"


def test_a_process_is_protected_by_its_unit_and_not_by_its_name(machine: Machine) -> None:
    machine.process(80, "/system.slice/backup.service", comm="sshd")
    assert machine.decide(process_action(80)) == "allow"
    machine.process(81, "/system.slice/ssh.service", comm="sleep")
    assert "ssh.service, which is protected" in machine.reasons(process_action(81))
    machine.process(82, "/system.slice/ssh.service/deeper", comm="sleep")
    assert machine.decide(process_action(82)) == "deny"


def test_a_real_process_that_calls_itself_sshd_is_not_protected(real: Guard, tmp_path: Path) -> None:
    program = tmp_path / "sshd"
    shutil.copy("/bin/sleep", program)
    with subprocess.Popen([program, "60"]) as child:
        try:
            assert real.judge(process_action(child.pid), [], 1.0).decision == "allow"
        finally:
            child.kill()


def test_a_protected_program_that_root_runs_is_protected_where_there_are_no_units(machine: Machine) -> None:
    machine.process(83, "/", exe="/usr/sbin/sshd")
    expected = "deny" if os.geteuid() == 0 else "allow"  # the test's files are its user's
    assert machine.decide(process_action(83)) == expected
    machine.process(84, "/", exe="/usr/lib/systemd/systemd-journald (deleted)")
    assert machine.decide(process_action(84)) == expected
    machine.process(85, "/", exe="/tmp/usr/sbin/sshd")
    assert machine.decide(process_action(85)) == "allow"


def test_a_pid_that_another_process_has_by_now_is_refused(machine: Machine) -> None:
    machine.process(90, "/system.slice/backup.service", start=900)
    assert machine.decide(process_action(90, identity="900")) == "allow"
    machine.process(90, "/system.slice/backup.service", start=901)
    assert "another process by now" in machine.reasons(process_action(90, identity="900"))


def test_the_callers_ancestors_are_its_session(machine: Machine) -> None:
    session = "/user.slice/user-1000.slice/session-3.scope"
    machine.process(100, session, parent=99)
    machine.process(101, session, parent=100)
    machine.process(102, session, parent=101)
    machine.process(103, session, parent=101)
    machine.process(99, "/system.slice/ssh.service", parent=1)
    caller = replace(PERSON, pid=102)
    for pid in (100, 101, 102):
        assert "your own session" in machine.reasons(process_action(pid, caller))
    assert machine.decide(process_action(103, caller)) == "allow"
    assert "leads the session" in machine.reasons(process_action(100, DAEMON))


@pytest.mark.parametrize(
    "group",
    [
        "init.scope",
        "session.slice/dbus.service",
        "session.slice/plasma.service",
        "app.slice/dbus-broker.service",
    ],
)
def test_what_a_persons_session_is_built_on_is_protected(machine: Machine, group: str) -> None:
    manager = "/user.slice/user-1000.slice/user@1000.service"
    machine.process(110, f"{manager}/{group}")
    assert "a person's session is built on" in machine.reasons(process_action(110))
    machine.process(111, f"{manager}/app.slice/app-make.scope")
    assert machine.decide(process_action(111)) == "allow"


def test_the_actuator_and_what_it_is_told_are_its_own(machine: Machine) -> None:
    machine.process(os.getpid(), "/")
    assert "the actuator" in machine.reasons(process_action(os.getpid()))


def test_programs_that_the_policy_names(machine: Machine) -> None:
    machine.process(120, "/", exe="/opt/db/bin/serve")
    assert machine.decide(process_action(120)) == "allow"
    machine.policy('[protect]\nprograms = ["/opt/db/*"]\n')
    assert "the policy protects" in machine.reasons(process_action(120))
