# SPDX-License-Identifier: Apache-2.0
"""The whole transaction as an adversary uses it: real processes, the real guard and journal."""

import os
import random
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from jepa.actions import request as requests
from jepa.actions.catalogue import TargetKind, catalogue
from jepa.actions.change import Caller, State
from jepa.actions.clock import HostClock
from jepa.actions.executor import Executor
from jepa.actions.family import Host
from jepa.actions.guard.grants import GrantStore
from jepa.actions.guard.guard import Guard
from jepa.actions.journal import Journal
from jepa.actions.messages import ActionRequest
from jepa.errors import JepaError
from tests.unit.actions.file_machine import Timers, memory_folder
from tests.unit.actions.guard.machine import DAEMON, HEALING, WEB, alone
from tests.unit.actions.reused_pid import process_with_pid

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="changes other users' processes")
ROOT = Caller(0, os.getpid(), "session-3.scope", "session-3.scope")


@dataclass
class Target:
    """An executor over this machine, and a process that it may change."""

    executor: Executor
    guard: Guard
    clock: HostClock
    process: subprocess.Popen[bytes]

    def request(self, caller: Caller, action: str = "process.nice", **what: Any) -> ActionRequest:
        """A request that ``caller`` made."""
        given = {"target": str(self.process.pid), "value": 5, **what}
        made = requests.make(self.clock, action=action, **given)._replace(uid=caller.uid)
        return made._replace(digest=requests.digest(made))

    def nice(self) -> int:
        return os.getpriority(os.PRIO_PROCESS, self.process.pid)

    def act(self, caller: Caller, action: str = "process.nice", consent: bool = True, **what: Any) -> str:
        """The state of the change, or the status of the refusal."""
        try:
            return str(self.executor.act(self.request(caller, action, **what), caller, consent).state)
        except JepaError as error:
            return str(error.status)


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Target]:
    folder = memory_folder(tmp_path)
    clock = HostClock()
    grants = GrantStore(folder / "grants.jsonl", clock.boot_id)
    guard = Guard(Host(), alone(tmp_path), grants, clock.boot_id)
    journal = Journal(folder)
    with subprocess.Popen(["sleep", "600"]) as process:
        yield Target(Executor(Host(), guard, journal, Timers([]), None, clock), guard, clock, process)
        process.kill()
    journal.close()


def test_root_may_and_is_undone(target: Target) -> None:
    assert target.act(ROOT) == "committed"
    assert target.nice() == 5
    target.executor.undo(ROOT)
    assert target.nice() == 0


def test_what_took_over_the_pid_is_not_touched_by_an_undo(target: Target) -> None:
    assert target.act(ROOT) == "committed"
    pid = target.process.pid
    target.process.kill()
    target.process.wait()
    with process_with_pid(pid) as successor:
        try:
            os.setpriority(os.PRIO_PROCESS, pid, 5)  # it even has the value that was set
            with suppress(JepaError):
                target.executor.undo(ROOT)
            assert os.getpriority(os.PRIO_PROCESS, pid) == 5
        finally:
            successor.kill()


def test_consent_is_not_a_daemons_to_give(target: Target) -> None:
    target.guard.grant({"task": "t", "actions": ["process.nice"], "targets": ["*"]}, ROOT)
    for action, value in (("process.kill", None), ("process.pause", None), ("process.terminate", None)):
        assert target.act(DAEMON, action, value=value, task="t") == "403"
    assert target.process.poll() is None


def test_a_daemon_takes_back_nothing_of_a_person(target: Target) -> None:
    assert target.act(ROOT, task="t") == "committed"
    for daemon in (DAEMON, HEALING):
        for what in ({"task": "t"}, {"change": target.executor.history()[0].id}):
            with pytest.raises(JepaError):
                target.executor.undo(daemon, **what)
    assert target.nice() == 5


def test_a_mixed_task_is_taken_back_whole_or_not_at_all(target: Target) -> None:
    target.guard.grant({"task": "t", "actions": ["process.*"], "targets": ["*"]}, ROOT)
    assert target.act(ROOT, "process.scheduler", value="batch", task="t") == "committed"
    assert target.act(DAEMON, task="t") == "committed"
    with pytest.raises(JepaError, match="may not take back what"):
        target.executor.undo(DAEMON, task="t")
    assert target.nice() == 5


def test_a_daemon_cannot_use_the_grant_of_another_or_of_another_task(target: Target) -> None:
    target.guard.grant({"task": "t", "actions": ["process.nice"], "targets": ["*"]}, ROOT)
    assert target.act(HEALING, task="t") == "403"
    assert target.act(DAEMON, task="u") == "403"
    assert target.act(DAEMON) == "403"
    assert target.act(WEB, task="t") == "403"
    assert target.act(DAEMON, task="t") == "committed"


def test_the_first_rows_of_a_budget_are_all_that_a_hundred_threads_get(target: Target) -> None:
    target.guard.grant({"task": "t", "actions": ["process.*"], "targets": ["*"], "rate_per_hour": 5}, ROOT)
    children = [subprocess.Popen(["sleep", "600"]) for _ in range(30)]
    try:
        threads = [
            threading.Thread(
                target=target.act, args=(DAEMON,), kwargs={"target": str(child.pid), "task": "t"}
            )
            for child in children
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        changed = [child for child in children if os.getpriority(os.PRIO_PROCESS, child.pid) == 5]
        assert len(changed) == 5
        assert len(target.executor.journal.changes) == 5
    finally:
        for child in children:
            child.kill()
            child.wait()


def test_a_grant_that_is_revoked_allows_nothing_from_then_on(target: Target) -> None:
    grant = target.guard.grant({"task": "t", "actions": ["process.nice"], "targets": ["*"]}, ROOT)
    assert target.act(DAEMON, task="t") == "committed"
    target.guard.revoke(grant.id, ROOT)
    assert target.act(DAEMON, task="t", value=6) == "403"
    assert target.nice() == 5
    target.executor.undo(DAEMON, task="t")
    assert target.nice() == 0


ALTERATIONS: dict[str, Callable[[ActionRequest, random.Random], ActionRequest]] = {
    "action": lambda made, dice: made._replace(action="process.kill"),
    "target": lambda made, dice: made._replace(target=str(dice.randint(1, 30000))),
    "value": lambda made, dice: made._replace(value=dice.randint(-20, 19) if made.value != 19 else 18),
    "task": lambda made, dice: made._replace(task="healing"),
    "uid": lambda made, dice: made._replace(uid=made.uid + 1),
    "expiry": lambda made, dice: made._replace(expires_s=made.expires_s + 1e6),
    "id": lambda made, dice: made._replace(id=f"{dice.getrandbits(128):032x}"),
    "boot": lambda made, dice: made._replace(boot_id=f"{dice.getrandbits(128):032x}"),
    "for": lambda made, dice: made._replace(for_s=60.0),
}


@pytest.mark.parametrize("name", ALTERATIONS)
def test_a_request_that_was_altered_on_its_way_is_refused(target: Target, name: str) -> None:
    dice = random.Random(name)
    for _ in range(20):
        made = target.request(ROOT, value=19)
        altered = ALTERATIONS[name](made, dice)
        with pytest.raises(JepaError) as refused:
            target.executor.act(altered, ROOT, consent=True)
        assert refused.value.status == 403
    assert target.nice() == 0
    assert not target.executor.journal.changes


def test_a_request_is_its_users_alone_and_done_once(target: Target) -> None:
    made = target.request(ROOT)
    with pytest.raises(JepaError, match="of user 0, and user 1000 sent it"):
        target.executor.act(made, replace(ROOT, uid=1000), consent=True)
    assert target.executor.act(made, ROOT, consent=True).state is State.COMMITTED
    target.executor.undo(ROOT)
    with pytest.raises(JepaError, match="carried out already"):
        target.executor.act(made, ROOT, consent=True)
    assert target.nice() == 0


TARGETS = (
    *("1", "2", "0", "-1", "", "self", "1/../2", "thread-self", " 1", "01", "1\n", "0x1", "\u0661", "sshd"),
    *("ssh.service", "sshd.service", "init.scope", "-.slice", "dbus.service", "../1", "/proc/1", "*", "?"),
)


def hostile(target: Target, dice: random.Random) -> tuple[Caller, dict[str, Any]]:
    """A request of somebody who may not make it: half of them would be right, were they a person's."""
    caller = dice.choice(
        (DAEMON, HEALING, WEB, Caller(65534), Caller(33, unit="x.service"), replace(DAEMON, uid=0))
    )
    entry = dice.choice([each for each in catalogue().values() if each.family in ("process", "sysctl")])
    own = "" if entry.target is TargetKind.MACHINE else str(target.process.pid)
    right = dice.choice(entry.choices) if entry.choices else entry.minimum if entry.takes_value else None
    wrong = (None, 1, -20, 19, "max", "idle", 10**30, float("nan"), "1; reboot", "50%", "on")
    what = {
        "action": entry.name,
        "target": own
        if dice.random() < 0.8
        else dice.choice((*TARGETS, str(os.getppid()), str(os.getpid()))),
        "value": right if dice.random() < 0.8 else dice.choice(wrong),
        "task": dice.choice(("", "t", "healing", "*", "t\0")),
        "for_s": None if dice.random() < 0.8 or not entry.reversible else 5.0,
    }
    return caller, what


def tried(target: Target, count: int) -> tuple[list[dict[str, Any]], int]:
    """What was done, of ``count`` requests outside of any grant, and how many the guard refused."""
    dice = random.Random(15)
    target.guard.grant({"task": "t", "actions": ["vm.swappiness"], "targets": ["backup.service"]}, ROOT)
    done, refused = [], 0
    for _ in range(count):
        caller, what = hostile(target, dice)
        try:
            target.executor.act(target.request(caller, **what), caller, consent=True)
            done.append({"caller": caller, **what})
        except JepaError as error:
            refused += error.status == 403
        except ValueError:  # NaN is in no JSON, so no such request arrives
            continue
    return done, refused


def test_hostile_requests_change_nothing(target: Target) -> None:
    done, refused = tried(target, 400)
    assert done == []
    assert refused > 100
    assert target.process.poll() is None
    assert not target.executor.journal.changes


@pytest.mark.slow
def test_20_000_hostile_requests_change_nothing(target: Target) -> None:
    done, refused = tried(target, 20_000)
    assert done == []
    assert refused > 5_000
    assert not target.executor.journal.changes


def test_protected_processes_of_this_machine_stay_whatever_root_asks(target: Target) -> None:
    before = os.getpriority(os.PRIO_PROCESS, 1)
    for pid in ("1", "2", str(os.getpid()), str(os.getppid()), "01", "1 ", "\u0661"):
        for action, value in (("process.nice", 5), ("process.kill", None), ("process.pause", None)):
            assert target.act(ROOT, action, target=pid, value=value) in ("403", "404", "409", "422")
    assert os.getpriority(os.PRIO_PROCESS, 1) == before
