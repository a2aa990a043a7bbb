# SPDX-License-Identifier: Apache-2.0
"""A unit stops, is masked, renamed or made anew while a change of it is in force: one sentence tells it."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from jepa.actions import request as requests
from jepa.actions.change import Change, State, undone_by
from jepa.actions.clock import HostClock
from jepa.actions.executor import Executor
from jepa.actions.family import Host
from jepa.actions.journal import Journal
from jepa.actions.systemd_bus import SystemdBus
from jepa.errors import JepaError
from tests.unit.actions.file_machine import ME, Agreeable, Timers
from tests.unit.actions.systemd_double import Bus, Systemd

UNIT = "web.service"


@dataclass
class Machine:
    """Everything but systemd is real: the message bus, what speaks over it, the families, the journal."""

    root: Path
    systemd: Systemd
    bus: Bus
    executor: Executor

    @property
    def clamp(self) -> Path:
        """A file of the unit's control group."""
        return self.root / f"sys/fs/cgroup/system.slice/{UNIT}/cpu.uclamp.max"

    def act(self, action: str = "cpu.weight", value: str = "50") -> Change:
        request = requests.make(HostClock(), action=action, target="web", value=value)
        change = self.executor.act(request, ME, consent=True)
        assert change.state is State.COMMITTED
        return change

    def undo(self, change: Change) -> str:
        """What the history says of a change that was taken back, or had to be left."""
        [ended] = self.executor.undo(ME, change.id)
        assert not ended.in_force
        return ended.detail.removeprefix(undone_by(ME.uid)).removeprefix("; ")

    def refusal(self, change: Change) -> str:
        """Why it could not be taken back, and stays in force."""
        with pytest.raises(JepaError) as refused:
            self.executor.undo(ME, change.id)
        assert self.executor.journal.get(change.id).in_force
        return str(refused.value)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    systemd = Systemd()
    systemd.add(UNIT, CPUWeight=100)
    with Bus(tmp_path, systemd) as bus:
        manager = SystemdBus(bus=bus.path)
        journal = Journal(tmp_path / "journal")
        executor = Executor(Host(tmp_path, manager), Agreeable(), journal, Timers([]))
        made = Machine(tmp_path, systemd, bus, executor)
        made.clamp.parent.mkdir(parents=True)
        made.clamp.write_text("max\n")
        shutil.copy(made.clamp, made.clamp.parent.parent)  # which tells that the kernel has it
        (tmp_path / "sys/fs/cgroup/cgroup.controllers").write_text("cpu memory\n")
        yield made
        journal.close()
        manager.close()


def test_one_that_stopped_and_went_leaves_nothing_to_take_back(machine: Machine) -> None:
    change = machine.act()
    del machine.systemd.units[UNIT]
    assert machine.undo(change) == f"nothing was left to take back: {UNIT} is gone."


def test_one_that_was_masked_waits_until_it_is_not(machine: Machine) -> None:
    change = machine.act()
    machine.systemd.units[UNIT].update(LoadState="masked", ActiveState="inactive")
    assert machine.refusal(change) == f"The unit {UNIT} is masked. `systemctl unmask` it first."
    machine.systemd.units[UNIT].update(LoadState="loaded")
    assert machine.undo(change) == ""
    assert machine.systemd.units[UNIT]["CPUWeight"] == 100


def test_one_whose_file_was_renamed_is_itself_while_it_runs(machine: Machine) -> None:
    change = machine.act()
    weight = machine.clamp.with_name("cpu.weight")  # systemd no longer writes it
    weight.write_text("50\n")
    machine.systemd.units[UNIT].update(LoadState="not-found", CPUQuotaPerSecUSec=2**64 - 1)
    machine.systemd.add("net.service", CPUWeight=50)
    with pytest.raises(JepaError, match=r"its file is masked or gone: systemd applies no cpu\.max\."):
        machine.act("cpu.max", "40%")
    assert machine.undo(change) == ""
    assert machine.systemd.units[UNIT]["CPUWeight"] == 100
    assert weight.read_text() == "100"
    assert machine.systemd.units["net.service"]["CPUWeight"] == 50


def test_one_that_was_made_anew_is_left_as_it_is(machine: Machine) -> None:
    change = machine.act("cpu.uclamp.max", "30")
    machine.systemd.units[UNIT]["InvocationID"] = bytes([7] * 16)
    assert machine.undo(change) == f"nothing was left to take back: {UNIT} was started anew meanwhile."
    assert machine.clamp.read_text().strip() == "30"


def test_a_control_group_that_vanished_is_gone(machine: Machine) -> None:
    change = machine.act("cpu.uclamp.max", "30")
    shutil.rmtree(machine.clamp.parent)
    assert machine.undo(change) == f"nothing was left to take back: cpu.uclamp.max of {UNIT} is gone."
    with pytest.raises(JepaError, match=r"cpu\.uclamp\.max of web\.service is gone\."):
        machine.act("cpu.uclamp.max", "40")


def test_while_the_bus_is_gone_nothing_is_changed_and_what_is_in_force_stays(machine: Machine) -> None:
    change = machine.act()
    machine.bus.kill()
    for attempt in (machine.act, lambda: machine.executor.undo(ME, change.id)):
        with pytest.raises(JepaError, match="systemd cannot be reached over the message bus: ") as refused:
            attempt()
        assert refused.value.status == 503
    assert [each.id for each in machine.executor.journal.in_force] == [change.id]
    machine.bus.start()
    assert machine.undo(change) == ""
    assert machine.systemd.units[UNIT]["CPUWeight"] == 100
