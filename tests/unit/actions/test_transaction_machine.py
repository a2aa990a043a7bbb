# SPDX-License-Identifier: Apache-2.0
"""Any sequence of changes, undoes, expiries, crashes, reboots and writes by others leaves what it should."""

import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from jepa.actions.change import Change, State
from jepa.actions.clock import HostClock
from jepa.actions.executor import Executor
from jepa.actions.family import Host
from jepa.actions.journal import Journal, load
from jepa.actions.messages import ActionRequest
from jepa.actions.request import make
from jepa.errors import JepaError
from tests.unit.actions.file_machine import (
    ACTIONS,
    ME,
    START,
    Agreeable,
    FileMachine,
    Timers,
    memory_folder,
    write,
)

NAMES = [each.name for each in ACTIONS.values() if each.reversible]
VALUES = st.integers(0, 20)
KILLED_AT = ("apply", "applied", "verify")


class Transaction(RuleBasedStateMachine):
    """The machine beside a model of it: for each setting the changes in force and its value."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = memory_folder(Path(tempfile.gettempdir(), f"transaction-{os.getpid()}"))
        self.machine = FileMachine(self.folder, rotate_bytes=6000)
        self.executor = self.machine.start()
        self.held = dict.fromkeys(NAMES, START)
        self.stacks: dict[str, list[Change]] = {name: [] for name in NAMES}

    def teardown(self) -> None:
        self.executor.journal.close()
        shutil.rmtree(self.folder)

    @rule(name=st.sampled_from(NAMES), value=VALUES, for_s=st.none() | st.sampled_from([50, 100]))
    def act(self, name: str, value: int, for_s: float | None) -> None:
        change = self.executor.act(self.machine.request(name, value, for_s=for_s, task=name), ME)
        assert (change.state, change.old, change.new) == (State.COMMITTED, self.held[name], value)
        self.held[name] = value
        self.stacks[name].append(change)

    @precondition(lambda self: any(self.stacks.values()))
    @rule(data=st.data())
    def undo_one(self, data: st.DataObject) -> None:
        change = data.draw(st.sampled_from([each for stack in self.stacks.values() for each in stack]))
        expected = self._taken_back(change, State.UNDONE)
        assert [each.state for each in self.executor.undo(ME, change.id)] == [expected]

    @precondition(lambda self: any(self.stacks.values()))
    @rule(data=st.data())
    def undo_task(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from([name for name, stack in self.stacks.items() if stack]))
        expected = [self._taken_back(each, State.UNDONE) for each in reversed(self.stacks[name].copy())]
        assert [each.state for each in self.executor.undo(ME, task=name)] == expected

    @rule(name=st.sampled_from(NAMES), value=VALUES)
    def somebody_else_writes(self, name: str, value: int) -> None:
        for path in ("pair", "pair-2") if name == "pair" else (name,):
            write(self.machine.root / path, value)
        self.held[name] = value

    @rule(seconds=st.sampled_from([10, 60, 200]))
    def time_passes(self, seconds: float) -> None:
        self.machine.clock.sleep(seconds)
        assert len(self.executor.expire_due()) == self._expire()

    @rule(seconds=st.sampled_from([0, 60]))
    def the_process_dies_at_rest(self, seconds: float) -> None:
        self.executor.journal.close()
        self.machine.clock.sleep(seconds)
        self.executor = self.machine.start()
        self._expire()

    @rule(name=st.sampled_from(NAMES), value=VALUES, at=st.sampled_from(KILLED_AT))
    def the_process_dies_in_a_change(self, name: str, value: int, at: str) -> None:
        self._die(at, lambda: self.executor.act(self.machine.request(name, value), ME))

    @precondition(lambda self: any(self.stacks.values()))
    @rule(data=st.data(), at=st.sampled_from(KILLED_AT))
    def the_process_dies_in_an_undo(self, data: st.DataObject, at: str) -> None:
        change = data.draw(st.sampled_from([each for stack in self.stacks.values() for each in stack]))
        self._die(at, lambda: self.executor.undo(ME, change.id))
        self._taken_back(change, State.UNDONE)

    @rule()
    def the_machine_restarts(self) -> None:
        boot = "b" if self.machine.clock.boot_id[0] == "a" else "a"
        self.executor.journal.close()
        self.machine.reboot()
        self.machine.clock._boot_id = boot * 32
        for name in NAMES:
            if name != "kept":
                self.held[name] = START
                self.stacks[name].clear()
        for change in reversed(self.stacks["kept"].copy()):
            if change.until_s is not None:
                self._taken_back(change, State.REVERTED)
        self.executor = self.machine.start()

    @invariant()
    def the_machine_holds_what_it_should(self) -> None:
        assert {name: self.machine.value(name) for name in NAMES} == self.held
        assert self.machine.value("pair-2") == self.machine.value("pair")
        in_force = self.executor.journal.in_force
        for name, stack in self.stacks.items():
            assert [each.id for each in in_force if each.setting == name] == [each.id for each in stack]
            assert [each.inverse for each in in_force if each.setting == name] == [
                each.inverse for each in stack
            ]
        assert all(each.state is State.COMMITTED for each in in_force)
        on_disk = load(self.machine.state)
        assert not on_disk.damage
        assert list(on_disk.changes.values()) == self.executor.journal.changes
        assert set(self.machine.timers.armed()) == {each.id for each in in_force if each.until_s is not None}

    def _taken_back(self, change: Change, outcome: State) -> State:
        """What taking ``change`` back does to the model, and the state it comes to."""
        name = change.setting
        stack = self.stacks[name]
        place = next(at for at, each in enumerate(stack) if each.id == change.id)
        change = stack.pop(place)
        if place < len(stack):
            above = stack[place]
            if above.inverse != change.new:
                return State.FAILED
            stack[place] = replace(above, inverse=change.inverse)
            return outcome
        if self.held[name] not in (change.new, change.inverse):
            return State.FAILED
        self.held[name] = change.inverse
        return outcome

    def _expire(self) -> int:
        """Take back in the model what is due; how many that are."""
        due = [
            each
            for stack in self.stacks.values()
            for each in stack
            if each.until_s is not None and each.until_s - 0.5 <= self.machine.clock.boottime_s()
        ]
        for change in sorted(
            due, key=lambda each: [e.id for e in self._order()].index(each.id), reverse=True
        ):
            self._taken_back(change, State.REVERTED)
        return len(due)

    def _order(self) -> list[Change]:
        return list(load(self.machine.state).changes.values())

    def _die(self, at: str, work: Callable[[], Any]) -> None:
        """Do ``work`` in a process that is killed in the family, and start the next one."""
        self.executor.journal.close()
        child = os.fork()
        if not child:
            try:
                self.executor = self.machine.open()
                real = self.machine.family.apply

                def apply(*arguments: Any) -> None:
                    if at == "applied":
                        real(*arguments)
                    os._exit(9)

                if at == "verify":
                    self.machine.family.verify = lambda *arguments: os._exit(9)
                else:
                    self.machine.family.apply = apply
                work()
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        self.executor = self.machine.start()


class TestTransaction(Transaction.TestCase):  # type: ignore[valid-type]
    settings = settings(
        max_examples=15, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may set kernel parameters")
def test_changes_of_the_running_kernel_are_taken_back_in_any_order(tmp_path: Path) -> None:
    clock = HostClock()
    executor = Executor(Host(), Agreeable(), Journal(tmp_path), Timers([]), clock=clock)

    def request(value: int) -> ActionRequest:
        return make(clock, action="vm.swappiness", value=value)

    swappiness = Path("/proc/sys/vm/swappiness")
    before = swappiness.read_text()
    try:
        done = [executor.act(request(value), ME) for value in (11, 22, 33)]
        for change, left in ((done[0], "33"), (done[2], "22"), (done[1], before.strip())):
            executor.undo(ME, change.id)
            assert swappiness.read_text().strip() == left
        executor.act(request(44), ME)
        swappiness.write_text("55")
        assert executor.undo(ME)[0].state is State.FAILED
        assert swappiness.read_text().strip() == "55"
        with pytest.raises(JepaError):
            executor.act(request(100_000), ME)
    finally:
        swappiness.write_text(before)
        executor.journal.close()
