# SPDX-License-Identifier: Apache-2.0
"""For one caller: polkit is asked about every change that is made, however the guard changes its mind."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import pytest

from jepa.actions.actuator.local import ActionEngine, LocalActuator
from jepa.actions.change import Caller, Change, Proposal
from jepa.actions.family import Host
from jepa.actions.guard.guard import Guard
from jepa.actions.guard.policy_store import PolicyStore
from jepa.actions.messages import Verdict
from jepa.errors import JepaError
from tests.unit.actions.file_machine import ACTIONS, ME, START, Agreeable, FileMachine

ALLOW, ASK, DENY = (Verdict(each, ("It is so.",)) for each in ("allow", "ask", "deny"))


class Changing(Agreeable):
    """A guard that says one thing after the other, as when a pause ends between two questions."""

    def __init__(self, verdicts: Sequence[Verdict]) -> None:
        super().__init__()
        self._next = iter(verdicts)

    def judge(self, proposal: Proposal, changes: Sequence[Change], now_s: float) -> Verdict:
        return next(self._next)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileMachine]:
    monkeypatch.setattr("jepa.actions.actuator.local.catalogue", lambda: ACTIONS)
    yield FileMachine(tmp_path)


def actuator(
    machine: FileMachine, verdicts: Sequence[Verdict], allowed: bool, asked: list[str]
) -> LocalActuator:
    def permission(caller: Caller, action: str, message: str) -> None:
        asked.append(action)
        if not allowed:
            raise JepaError("This takes a password.", "", status=403)

    machine.guard = Changing(verdicts)
    guard, policies = cast(Guard, machine.guard), cast(PolicyStore, None)
    engine = ActionEngine(
        Host(machine.root), guard, policies, machine.start(), machine.timers, machine.clock
    )
    return LocalActuator(engine, ME, permission)


@pytest.mark.parametrize("verdicts", [(DENY, ALLOW), (ASK, ALLOW), (DENY, DENY)])
def test_what_the_guard_did_not_allow_at_first_is_not_done_without_polkit(
    machine: FileMachine, verdicts: Sequence[Verdict]
) -> None:
    asked: list[str] = []
    one = actuator(machine, verdicts, True, asked)
    with pytest.raises(JepaError, match="It is so"):
        one.act(machine.request("one", 10), consent=False)
    assert (asked, machine.value("one")) == ([], START)


@pytest.mark.parametrize(("verdict", "consent"), [(ALLOW, False), (ALLOW, True), (ASK, True)])
@pytest.mark.parametrize("allowed", [True, False])
def test_polkit_is_asked_of_what_the_guard_allows(
    machine: FileMachine, verdict: Verdict, consent: bool, allowed: bool
) -> None:
    asked: list[str] = []
    one = actuator(machine, (verdict, verdict), allowed, asked)
    if allowed:
        assert one.act(machine.request("one", 10), consent).new == 10
    else:
        with pytest.raises(JepaError, match="password"):
            one.act(machine.request("one", 10), consent)
    assert asked == ["org.jepa.tune"]
    assert machine.value("one") == (10 if allowed else START)


def test_what_the_guard_no_longer_allows_is_not_done_though_polkit_does(machine: FileMachine) -> None:
    asked: list[str] = []
    one = actuator(machine, (ALLOW, DENY), True, asked)
    with pytest.raises(JepaError, match="It is so"):
        one.act(machine.request("one", 10), consent=True)
    assert (asked, machine.value("one")) == (["org.jepa.tune"], START)
