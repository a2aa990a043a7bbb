# SPDX-License-Identifier: Apache-2.0
"""Budgets follow from the journal alone: rates, dwell, one change in flight, the circuit breaker."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.actions.catalogue import TargetKind, catalogue
from jepa.actions.change import TIME_OVER, Caller, Change, Proposal, State, undone_by
from jepa.actions.guard import budget
from jepa.actions.guard.policy import Limits
from tests.unit.actions.guard.machine import DAEMON, HEALING, PERSON, change, proposal

NOW = 5000.0
WANTED = proposal(dwell_s=0.0)
ASKED = proposal(dwell_s=0.0, caller=HEALING)


def reasons(wanted: Proposal, *changes: Change, limits: Limits | None = None) -> str:
    return " ".join(budget.reasons(wanted, changes, NOW, limits or Limits()))


def others(count: int, wanted: Proposal = WANTED, **more: object) -> list[Change]:
    """Changes of other settings."""
    return [replace(change(wanted, age_s=20.0 + n), setting=f"x{n}", **more) for n in range(count)]  # type: ignore[arg-type]


def test_an_empty_journal_stands_against_nothing() -> None:
    assert reasons(WANTED) == ""


@pytest.mark.parametrize("state", [State.INTENDED, State.APPLIED])
def test_one_change_of_a_setting_is_in_flight(state: State) -> None:
    assert "still being made or watched" in reasons(WANTED, change(WANTED, state))
    assert reasons(WANTED, replace(change(WANTED, state), setting="net.x")) == ""


def test_changes_an_hour_of_all_settings() -> None:
    limits = Limits(actions_per_hour=5)
    assert reasons(WANTED, *others(4), limits=limits) == ""
    assert "User 1000 made 5 changes within the hour" in reasons(WANTED, *others(5), limits=limits)
    old = [replace(each, applied_s=NOW - 3600) for each in others(5)]
    assert reasons(WANTED, *old, limits=limits) == ""


def test_nobody_uses_up_the_budget_of_another() -> None:
    limits = Limits(actions_per_hour=5, autonomous_actions_per_hour=5)
    theirs = others(9, proposal(caller=Caller(uid=1001)))
    assert reasons(WANTED, *theirs, *others(9, ASKED), limits=limits) == ""
    assert reasons(ASKED, *theirs, *others(9), limits=limits) == ""
    once = replace(WANTED, action=WANTED.action._replace(rate_per_hour=1))
    assert reasons(once, replace(change(once, State.UNDONE), uid=1001)) == ""


def test_changes_an_hour_of_one_setting() -> None:
    wanted = replace(WANTED, action=WANTED.action._replace(rate_per_hour=3))
    made = [change(wanted, age_s=100 + n) for n in range(3)]
    assert reasons(wanted, *made[:2]) == ""
    assert "3 times within the hour" in reasons(wanted, *made)


def test_what_never_was_in_force_does_not_count() -> None:
    failed = [replace(each, state=State.FAILED, applied_s=None) for each in others(9)]
    assert reasons(WANTED, *failed, limits=Limits(actions_per_hour=5)) == ""


@pytest.mark.parametrize(("age_s", "waits"), [(0.0, True), (29.9, True), (30.0, False), (31.0, False)])
def test_the_least_dwell(age_s: float, waits: bool) -> None:
    wanted = replace(WANTED, action=WANTED.action._replace(dwell_s=30.0))
    assert ("changed a moment ago" in reasons(wanted, change(wanted, age_s=age_s))) is waits


def test_an_action_that_excludes_another_in_force() -> None:
    wanted = replace(WANTED, action=WANTED.action._replace(excludes=("vm.dirty_ratio",)))
    other = replace(change(WANTED), action="vm.dirty_ratio", setting="vm.dirty")
    assert "excludes it: `jepa undo 0123456789ab`" in reasons(wanted, other)
    assert reasons(wanted, replace(other, state=State.UNDONE)) == ""
    assert reasons(wanted, replace(other, target="y.service")) == ""


def test_another_process_of_a_pid_is_another_target() -> None:
    wanted = proposal("process.nice", "77", 5, identity="900", dwell_s=30.0)
    assert "moment ago" in reasons(wanted, change(wanted))
    assert reasons(wanted, replace(change(wanted), identity="100")) == ""


def test_a_unit_that_was_restarted_is_the_same_one() -> None:
    wanted = proposal("process.nice", "x.service", 5, identity="b" * 32, kind=TargetKind.UNIT, dwell_s=30.0)
    assert "moment ago" in reasons(wanted, replace(change(wanted), identity="a" * 32))


# Daemons


def test_daemons_have_a_smaller_budget() -> None:
    limits = Limits(autonomous_actions_per_hour=3)
    made = others(3, ASKED)
    assert "Daemons made 3 changes within the hour" in reasons(ASKED, *made, limits=limits)
    assert reasons(WANTED, *made, limits=limits) == ""
    assert reasons(ASKED, *others(3), limits=limits) == ""


@pytest.mark.parametrize(
    ("state", "detail", "counts"),
    [
        (State.REVERTED, "system.cpu.utilization rose by 4 sigma", True),
        (State.REVERTED, "its process died before it was committed", True),
        (State.REVERTED, TIME_OVER, False),
        (State.REVERTED, f"{TIME_OVER}; nothing was left to take back", False),
        (State.UNDONE, undone_by(1000), True),
        (State.UNDONE, undone_by(HEALING.uid), False),
        (State.UNDONE, f"{undone_by(HEALING.uid)}; it was 60 already", False),
        (State.UNDONE, undone_by(HEALING.uid * 10), True),
        (State.COMMITTED, "", False),
    ],
)
def test_the_circuit_breaker(state: State, detail: str, counts: bool) -> None:
    made = others(3, ASKED, state=state, detail=detail)
    assert ("had to be taken back" in reasons(ASKED, *made)) is counts
    assert "had to be taken back" not in reasons(ASKED, *made[:2])
    assert reasons(WANTED, *made) == ""


def test_the_circuit_breaker_closes_after_a_while() -> None:
    made = others(3, ASKED, state=State.REVERTED, detail="worse")
    assert reasons(ASKED, *[replace(each, applied_s=NOW - 3600) for each in made]) == ""


def test_no_daemon_overrules_a_person() -> None:
    assert "A person set it" in reasons(ASKED, change(WANTED))
    assert reasons(ASKED, change(WANTED, State.UNDONE)) == ""
    assert reasons(WANTED, change(ASKED)) == ""


def test_no_daemon_repeats_what_a_person_took_back() -> None:
    taken = change(ASKED, State.UNDONE, detail=undone_by(1000))
    assert "no program repeats it" in reasons(ASKED, taken)
    assert reasons(ASKED, replace(taken, applied_s=NOW - 3600)) == ""
    assert reasons(ASKED, replace(taken, setting="vm.other")) == ""


def test_a_setting_that_flaps_is_left() -> None:
    made = [
        change(ASKED, State.UNDONE, age_s=100.0 + n, old=10, new=60, detail=undone_by(HEALING.uid))
        for n in range(4)
    ]
    assert "it flaps" in reasons(ASKED, *made)
    assert reasons(ASKED, *made[:3]) == ""
    assert reasons(WANTED, *made) == ""


def test_to_set_again_what_is_set_is_no_flapping() -> None:
    renewed = [change(ASKED, State.COMMITTED, age_s=600.0 * n + 60, old=10, new=10) for n in range(5)]
    assert reasons(ASKED, *renewed) == ""


@given(
    st.lists(
        st.builds(
            lambda action, age, state, daemon: change(
                proposal(action, caller=DAEMON if daemon else PERSON), state, age
            ),
            st.sampled_from(["vm.swappiness", "vm.dirty_ratio", "vm.vfs_cache_pressure"]),
            st.floats(0, 5000),
            st.sampled_from(list(State)),
            st.booleans(),
        ),
        max_size=30,
    ),
    st.integers(0, 10),
)
def test_a_daemon_never_gets_past_its_budget(changes: list[Change], most: int) -> None:
    made = [
        each for each in changes if each.unit and "jepad" in each.unit and NOW - (each.applied_s or 0) < 3600
    ]
    if len(made) >= most:
        assert reasons(ASKED, *changes, limits=Limits(autonomous_actions_per_hour=most))


def test_every_action_of_the_catalogue_has_a_rate() -> None:
    assert all(0 < each.rate_per_hour <= 240 for each in catalogue().values())
