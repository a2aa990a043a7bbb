# SPDX-License-Identifier: Apache-2.0
"""A change goes through every step in order, and leaves the machine as it was wherever one fails."""

import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from jepa.actions.change import Caller, State
from jepa.actions.clock import HostClock
from jepa.actions.executor import GRACE_S, Executor
from jepa.actions.journal import load
from jepa.actions.messages import Verdict
from jepa.errors import JepaError
from tests.unit.actions.file_machine import ME, START, FileMachine, SteppedClock, write


class Channels:
    """Channels that a test sets."""

    def __init__(self) -> None:
        self.values = {"system.pressure.cpu.some": 1.0, "system.cpu.utilization": 50.0}

    def read(self) -> Mapping[str, float]:
        return dict(self.values)

    def why_not(self, name: str) -> str:
        return ""

    def close(self) -> None:
        pass


@pytest.fixture
def machine(tmp_path: Path) -> FileMachine:
    return FileMachine(tmp_path)


@pytest.fixture
def executor(machine: FileMachine) -> Iterator[Executor]:
    executor = machine.start()
    yield executor
    executor.journal.close()


def refused(status: int) -> "pytest.RaisesExc[JepaError]":
    return pytest.raises(JepaError, check=lambda error: error.status == status)


def test_the_order_is_journal_timer_apply_journal(machine: FileMachine) -> None:
    told = machine.family.told
    machine.publish = lambda change, head: told.append(str(change.state))
    executor = machine.start()
    executor.act(machine.request("one", 10), ME)
    assert told == ["intended", "arm", "apply 10", "committed", "disarm"]
    told.clear()
    executor.undo(ME)
    assert told == ["committed", "apply 60", "undone", "disarm"]
    executor.journal.close()


def test_a_change_is_made_kept_and_taken_back(machine: FileMachine, executor: Executor) -> None:
    change = executor.act(machine.request("one", 10, why="a test"), ME)
    assert (change.state, change.old, change.new, change.why) == (State.COMMITTED, START, 10, "a test")
    assert machine.value("one") == 10
    assert not machine.timers.armed()
    [undone] = executor.undo(ME)
    assert (undone.id, undone.state) == (change.id, State.UNDONE)
    assert machine.value("one") == START
    with refused(404):
        executor.undo(ME)
    with refused(409):
        executor.undo(ME, change.id)
    assert executor.history() == [undone]


def test_check_changes_nothing(machine: FileMachine, executor: Executor) -> None:
    preview = executor.check(machine.request("one", "10"), ME)
    assert (preview.old, preview.new, preview.verdict.decision) == (START, 10, "allow")
    assert machine.value("one") == START
    assert not executor.history()


def test_what_the_guard_denies_is_not_done_and_its_reason_is_told(
    machine: FileMachine, executor: Executor
) -> None:
    machine.guard.verdict = Verdict("deny", ("It is protected.",))
    with pytest.raises(JepaError, match="It is protected") as raised:
        executor.act(machine.request("one", 10), ME, consent=True)
    assert raised.value.status == 403
    machine.guard.verdict = Verdict("ask", ("It is disruptive.",))
    with refused(403):
        executor.act(machine.request("one", 10), ME)
    assert machine.value("one") == START
    assert executor.act(machine.request("one", 10), ME, consent=True).state is State.COMMITTED
    machine.guard.verdict = Verdict("deny", ("It is not yours.",))
    with refused(403):
        executor.undo(ME)


@pytest.mark.parametrize(
    ("what", "status"),
    [
        ({"action": "nothing"}, 404),
        ({"value": "x"}, 422),
        ({"value": -1}, 422),
        ({"value": 10**30}, 422),
        ({"for_s": 0}, 422),
        ({"for_s": 1e12}, 422),
        ({"watch_s": -1}, 422),
        ({"keep_if": "cpu is fine"}, 422),
        ({"watch_s": 5}, 503),
        ({"action": "once", "for_s": 5}, 422),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(
    machine: FileMachine, executor: Executor, what: dict[str, object], status: int
) -> None:
    asked = {"action": "one", "value": 10, **what}
    with refused(status):
        executor.act(machine.request(asked.pop("action"), asked.pop("value"), **asked), ME)
    assert not executor.journal.changes
    assert machine.value("one") == START


def test_a_setting_that_the_machine_lacks_is_refused(machine: FileMachine, executor: Executor) -> None:
    (machine.root / "one").unlink()
    with pytest.raises(JepaError, match="This machine has no one"):
        executor.act(machine.request("one", 10), ME)


def test_a_plan_is_refused_once_the_machine_has_moved(machine: FileMachine, executor: Executor) -> None:
    request = machine.request("one", 10, plan="p", expected=START)
    write(machine.root / "one", 61)
    with pytest.raises(JepaError, match="stale: one is 61, not 60"):
        executor.act(request, ME)
    assert machine.value("one") == 61
    assert executor.act(machine.request("one", 10, plan="p", expected=61), ME).new == 10


def test_one_request_is_done_once(machine: FileMachine, executor: Executor) -> None:
    request = machine.request("one", 10)
    change = executor.act(request, ME)
    executor.undo(ME)
    with pytest.raises(JepaError, match=f"already: it is change {change.id}") as raised:
        executor.act(request, ME)
    assert raised.value.status == 403
    assert machine.value("one") == START


@pytest.mark.parametrize("method", ["apply", "verify"])
def test_what_does_not_take_effect_is_put_back(
    machine: FileMachine, executor: Executor, method: str
) -> None:
    for name in ("apply", "verify"):
        machine.family.fails.pop(name, None)
    real = getattr(machine.family, method)
    calls = []

    def once(*arguments: object) -> None:
        calls.append(arguments)
        if len(calls) == 1:
            raise JepaError("The kernel says no.", "")
        real(*arguments)

    setattr(machine.family, method, once)
    with pytest.raises(JepaError, match="The kernel says no"):
        executor.act(machine.request("one", 10), ME)
    [change] = executor.history()
    assert (change.state, change.detail) == (State.FAILED, "The kernel says no.")
    assert machine.value("one") == START
    assert not machine.timers.armed()


def test_what_can_neither_be_applied_nor_put_back_is_tried_again_by_the_timer(
    machine: FileMachine, executor: Executor
) -> None:
    machine.family.fails = {
        "verify": JepaError("It did not take effect.", ""),
        "undo": JepaError("The bus is gone.", "", status=503),
    }
    with pytest.raises(JepaError, match="The bus is gone"):
        executor.act(machine.request("one", 10), ME)
    [change] = executor.journal.in_force
    assert machine.timers.armed() == (change.id,)
    with pytest.raises(JepaError, match="could not be taken back yet"):
        executor.act(machine.request("one", 11), ME)
    machine.family.fails = {}
    assert executor.expire(change.id).state is State.INTENDED  # its time is not over
    machine.clock.sleep(GRACE_S)
    assert executor.expire(change.id).state is State.REVERTED
    assert machine.value("one") == START


def test_without_a_timer_nothing_is_changed(machine: FileMachine, executor: Executor) -> None:
    machine.timers.fails = JepaError("No timer could be armed.", "", status=503)
    with refused(503):
        executor.act(machine.request("one", 10), ME)
    assert machine.family.told.count("apply 10") == 0
    assert executor.history()[0].state is State.FAILED


def test_a_change_for_a_time_is_taken_back_when_it_is_over(machine: FileMachine, executor: Executor) -> None:
    change = executor.act(machine.request("one", 10, for_s=3600), ME)
    assert machine.timers.seconds == {change.id: 3600}
    assert executor.next_deadline_s() == change.until_s == 4600
    assert not executor.expire_due()
    assert executor.expire(change.id) == change
    machine.clock.sleep(3600)
    [ended] = executor.expire_due()
    assert (ended.state, ended.detail) == (State.REVERTED, "its time was over")
    assert machine.value("one") == START
    assert not machine.timers.armed()
    assert executor.next_deadline_s() is None
    assert executor.expire(change.id) == ended


def test_what_cannot_be_taken_back_is_over_once_it_is_done(machine: FileMachine, executor: Executor) -> None:
    change = executor.act(machine.request("once", 1), ME)
    assert change.state is State.COMMITTED
    assert not executor.journal.in_force
    with pytest.raises(JepaError, match=r"nothing to take back. It has no inverse"):
        executor.undo(ME, change.id)
    with refused(404):
        executor.undo(ME)


def test_changes_of_one_setting_are_taken_back_in_any_order(
    machine: FileMachine, executor: Executor
) -> None:
    first, second, third = (executor.act(machine.request("one", value), ME) for value in (1, 2, 3))
    [undone] = executor.undo(ME, second.id)
    assert undone.state is State.UNDONE
    assert machine.value("one") == 3
    executor.undo(ME, first.id)
    assert machine.value("one") == 3
    executor.undo(ME, third.id)
    assert machine.value("one") == START
    assert executor.history()[0].old == 2, "what is told of it stays"


def test_a_value_of_somebody_else_is_left_and_told(machine: FileMachine, executor: Executor) -> None:
    executor.act(machine.request("one", 10), ME)
    write(machine.root / "one", 33)
    [change] = executor.undo(ME)
    assert (change.state, change.detail) == (
        State.FAILED,
        "somebody set it to 33 meanwhile, so it was left",
    )
    assert machine.value("one") == 33


def test_a_change_below_somebody_elses_value_is_left(machine: FileMachine, executor: Executor) -> None:
    first = executor.act(machine.request("one", 10), ME)
    write(machine.root / "one", 33)
    second = executor.act(machine.request("one", 20), ME)
    assert executor.undo(ME, first.id)[0].state is State.FAILED
    executor.undo(ME, second.id)
    assert machine.value("one") == 33


def test_what_has_its_old_value_again_or_is_gone_is_closed(machine: FileMachine, executor: Executor) -> None:
    executor.act(machine.request("one", 10), ME)
    write(machine.root / "one", START)
    assert executor.undo(ME)[0].state is State.UNDONE
    executor.act(machine.request("two", 10), ME)
    (machine.root / "two").unlink()
    [gone] = executor.undo(ME)
    assert gone.state is State.UNDONE
    assert "nothing was left to take back: two is gone" in gone.detail


def test_an_undo_that_fails_leaves_the_change_in_force(machine: FileMachine, executor: Executor) -> None:
    change = executor.act(machine.request("one", 10), ME)
    machine.family.fails = {"undo": JepaError("The bus is gone.", "", status=503)}
    with refused(503):
        executor.undo(ME)
    assert executor.journal.in_force == [replace(change, ending=State.UNDONE)]
    machine.family.fails = {}
    assert executor.undo(ME)[0].state is State.UNDONE
    assert machine.value("one") == START


def test_the_last_change_is_that_of_the_caller(machine: FileMachine, executor: Executor) -> None:
    executor.act(machine.request("one", 10), ME)
    with pytest.raises(JepaError, match="No change of yours"):
        executor.undo(Caller(4242))


def test_a_task_is_taken_back_newest_first(machine: FileMachine, executor: Executor) -> None:
    for name, value in (("one", 1), ("two", 2), ("one", 3)):
        executor.act(machine.request(name, value, task="t"), ME)
    kept = executor.act(machine.request("kept", 4, task="another"), ME)
    undone = executor.undo(ME, task="t")
    assert [each.new for each in undone] == [3, 2, 1]
    assert (machine.value("one"), machine.value("two"), machine.value("kept")) == (START, START, 4)
    assert executor.journal.in_force == [kept]


def test_taking_back_stops_when_a_step_makes_things_worse(tmp_path: Path) -> None:
    channels = Channels()
    machine = FileMachine(tmp_path, channels=lambda: channels)
    executor = machine.start()
    for name in ("one", "two", "kept"):
        executor.act(machine.request(name, 1, task="t"), ME)
    real = machine.family.undo

    def undo(*arguments: object) -> None:
        real(*arguments)
        channels.values["system.pressure.cpu.some"] += 40

    machine.family.undo = undo
    with pytest.raises(JepaError, match=r"cpu.some rose from 1.0 to 41.0; 2 more are in force"):
        executor.undo(ME, task="t")
    assert len(executor.journal.in_force) == 2
    machine.family.undo = real
    executor.undo(ME, task="t")
    assert not executor.journal.in_force
    executor.journal.close()


def test_a_watched_change_is_kept_when_nothing_got_worse(tmp_path: Path) -> None:
    machine = FileMachine(tmp_path, channels=Channels)
    executor = machine.start()
    seen = []
    change = executor.act(machine.request("one", 10, watch_s=20, for_s=60), ME, progress=seen.append)
    assert [each.state for each in seen] == [State.APPLIED]
    assert change.state is State.COMMITTED
    assert change.observed == {"system.pressure.cpu.some": 1.0}
    assert machine.timers.seconds[change.id] == 40
    executor.journal.close()


@pytest.mark.parametrize(
    ("keep_if", "state"),
    [
        ("system.cpu.utilization below 60", State.COMMITTED),
        ("system.cpu.utilization above 60 %", State.REVERTED),
    ],
)
def test_a_condition_decides(tmp_path: Path, keep_if: str, state: State) -> None:
    machine = FileMachine(tmp_path, channels=Channels)
    executor = machine.start()
    change = executor.act(machine.request("one", 10, keep_if=keep_if), ME)
    assert change.state is state
    assert machine.value("one") == (10 if state is State.COMMITTED else START)
    assert change.observed["system.cpu.utilization"] == 50
    with pytest.raises(JepaError, match="not read here"):
        executor.act(machine.request("one", 10, keep_if="no.such below 1"), ME)
    executor.journal.close()


def test_a_change_that_makes_things_worse_is_taken_back_early(tmp_path: Path) -> None:
    channels = Channels()
    machine = FileMachine(tmp_path, channels=lambda: channels)
    executor = machine.start()

    def worse(change: object) -> None:
        channels.values["system.pressure.cpu.some"] = 30.0

    before_s = machine.clock.boottime_s()
    change = executor.act(machine.request("one", 10, watch_s=600), ME, progress=worse)
    assert (change.state, change.detail) == (
        State.REVERTED,
        "system.pressure.cpu.some rose from 1.0 to 30.0",
    )
    assert machine.value("one") == START
    assert machine.clock.boottime_s() - before_s < 30
    executor.journal.close()


def test_what_is_watched_is_undone_at_once_and_others_wait(tmp_path: Path) -> None:
    machine = FileMachine(tmp_path, clock=HostClock(), channels=Channels)
    executor = machine.start()
    seen, ended = threading.Event(), []
    request = machine.request("one", 10, watch_s=3)
    thread = threading.Thread(
        target=lambda: ended.append(executor.act(request, ME, progress=lambda change: seen.set()))
    )
    thread.start()
    assert seen.wait(20)
    other = executor.act(machine.request("two", 5), ME)  # another resource does not wait
    assert thread.is_alive()
    began = time.monotonic()
    [watched] = [each for each in executor.journal.in_force if each != other]
    [undone] = executor.undo(ME, watched.id)
    assert time.monotonic() - began < 2
    assert (undone.state, machine.value("one")) == (State.UNDONE, START)
    thread.join()
    assert ended == [undone]
    executor.journal.close()


def test_interrupting_the_watch_takes_the_change_back(tmp_path: Path) -> None:
    machine = FileMachine(tmp_path, channels=Channels)
    executor = machine.start()

    def interrupt(change: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        executor.act(machine.request("one", 10, watch_s=600), ME, progress=interrupt)
    assert machine.value("one") == START
    assert executor.history()[0].state is State.REVERTED
    executor.journal.close()


def test_many_threads_change_many_settings_at_once(tmp_path: Path) -> None:
    machine = FileMachine(tmp_path, clock=HostClock())
    executor = machine.start()
    problems: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for step in range(6):
                name = ("one", "two", "kept", "pair")[(number + step) % 4]
                change = executor.act(machine.request(name, 100 * number + step), ME)
                if step % 2:
                    executor.undo(ME, change.id)
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 7)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert not problems
    assert len(executor.history(100)) == 36
    executor.journal.close()
    assert not load(machine.state).damage
    executor = machine.start()
    while executor.journal.in_force:
        executor.undo(ME)
    assert {machine.value(name) for name in ("one", "two", "kept", "pair", "pair-2")} == {START}
    executor.journal.close()


# What a start finds


def died_at(machine: FileMachine, executor: Executor, step: str) -> None:
    """Let a change die where ``step`` begins, as a kill would: nothing that would clean up runs."""

    class Killed(BaseException):
        pass

    def die(*arguments: object) -> None:
        raise Killed

    setattr(machine.family, step, die)
    executor._put_back = die  # type: ignore[method-assign]
    with pytest.raises(Killed):
        executor.act(machine.request("one", 10), ME)
    machine.family.__dict__.pop(step)
    executor.journal.close()


@pytest.mark.parametrize("step", ["apply", "verify"])
def test_a_start_takes_back_what_died_in_the_middle(
    machine: FileMachine, executor: Executor, step: str
) -> None:
    died_at(machine, executor, step)
    executor = machine.open()
    recovered = executor.recover()
    assert [each.state for each in recovered.ended] == [State.REVERTED]
    assert machine.value("one") == START
    assert not executor.recover().ended
    executor.journal.close()


def test_a_start_keeps_what_is_committed_and_arms_its_timers(
    machine: FileMachine, executor: Executor
) -> None:
    stays = executor.act(machine.request("one", 10), ME)
    ends = executor.act(machine.request("two", 10, for_s=100), ME)
    executor.journal.close()
    machine.clock.sleep(40)
    executor = machine.start()
    assert executor.journal.in_force == [stays, ends]
    assert machine.timers.seconds == {ends.id: 60}
    executor.journal.close()
    machine.clock.sleep(100)
    executor = machine.start()
    assert executor.journal.in_force == [stays]
    assert machine.value("two") == START
    executor.journal.close()


def test_a_start_goes_on_with_an_undo_that_died(machine: FileMachine, executor: Executor) -> None:
    change = executor.act(machine.request("one", 10), ME)
    executor.journal.record(replace(change, ending=State.UNDONE))
    executor.journal.close()
    executor = machine.start()
    assert executor.history()[0].state is State.UNDONE
    assert machine.value("one") == START
    executor.journal.close()


def test_a_start_leaves_what_somebody_set_after_the_crash(machine: FileMachine, executor: Executor) -> None:
    died_at(machine, executor, "verify")
    write(machine.root / "one", 77)
    executor = machine.start()
    assert (executor.history()[0].state, machine.value("one")) == (State.FAILED, 77)
    executor.journal.close()


def test_a_boot_ends_what_it_resets_and_puts_back_what_outlives_it(
    machine: FileMachine, executor: Executor
) -> None:
    executor.act(machine.request("one", 10), ME)
    executor.act(machine.request("kept", 10), ME)
    executor.act(machine.request("kept", 20, for_s=10**5), ME)
    executor.journal.close()
    machine.reboot()
    executor = machine.start()
    [kept] = executor.journal.in_force
    assert (kept.new, machine.value("kept"), machine.value("one")) == (10, 10, START)
    assert {each.state for each in executor.history()} == {State.COMMITTED, State.REVERTED}
    details = {each.detail for each in executor.history()}
    assert details == {"", "the machine was restarted", "the machine was restarted, which resets it"}
    executor.undo(ME, kept.id)
    assert machine.value("kept") == START
    executor.journal.close()


def test_what_cannot_be_taken_back_at_a_start_is_told_and_tried_again(
    machine: FileMachine, executor: Executor
) -> None:
    died_at(machine, executor, "verify")
    machine.family.fails = {"undo": JepaError("The bus is gone.", "", status=503)}
    executor = machine.open()
    recovered = executor.recover()
    assert [each.problem for each in recovered.problems] == ["The bus is gone."]
    machine.family.fails = {}
    assert executor.recover().ended
    assert machine.value("one") == START
    executor.journal.close()


def test_what_died_and_cannot_be_taken_back_is_told(machine: FileMachine, executor: Executor) -> None:
    class Killed(BaseException):
        pass

    def die(*arguments: object) -> None:
        raise Killed

    executor._apply = die  # type: ignore[method-assign]
    with pytest.raises(Killed):
        executor.act(machine.request("once", 10), ME)
    executor.journal.close()
    executor = machine.start()
    [change] = executor.history()
    assert (change.state, change.detail) == (
        State.FAILED,
        "it was interrupted, and nobody knows whether it was done",
    )
    executor.journal.close()


def test_a_clock_that_is_set_moves_no_deadline(machine: FileMachine, executor: Executor) -> None:
    class Earlier(SteppedClock):
        def wall_ns(self) -> int:
            return 1

    machine.clock = Earlier()
    executor.act(machine.request("one", 10, for_s=100), ME)
    executor.journal.close()
    executor = machine.start()
    assert machine.value("one") == 10
    assert executor.next_deadline_s() == 1100
    executor.journal.close()


def test_what_outlives_a_reboot_is_on_the_disk_before_the_journal_says_so(
    machine: FileMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = machine.family.told
    machine.publish = lambda change, head: told.append(change.ending or change.state)
    monkeypatch.setattr("jepa.actions.kept_files.sync", lambda root: told.append("sync"))
    executor = machine.start()
    executor.act(machine.request("kept", 4), ME)
    assert told == ["intended", "arm", "apply 4", "sync", "committed", "disarm"]
    told.clear()
    executor.undo(ME)
    assert told == ["undone", f"apply {START}", "sync", "undone", "disarm"]
    told.clear()
    monkeypatch.setattr(machine.family, "verify", lambda host, resource, value: refuse(value))
    with refused(500):
        executor.act(machine.request("kept", 5), ME)
    assert told == ["intended", "arm", "apply 5", f"apply {START}", "sync", "failed", "disarm"]
    executor.journal.close()


def refuse(value: object) -> None:
    """Nothing takes effect but what was there before."""
    if value != START:
        raise JepaError("It has not taken effect.", "")
