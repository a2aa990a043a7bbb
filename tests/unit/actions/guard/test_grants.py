# SPDX-License-Identifier: Apache-2.0
"""A daemon may do by itself what a grant allows, and nothing beside; grants survive, end and are revoked."""

import random
from collections.abc import Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.actions.catalogue import Value, catalogue
from jepa.actions.change import Caller, Proposal
from jepa.actions.guard.grants import Grant, GrantStore
from jepa.errors import JepaError
from tests.unit.actions.guard.machine import BOOT, DAEMON, HEALING, PERSON, WEB, Machine, change, proposal

GIVEN = {"task": "t1", "actions": ["vm.swappiness"], "targets": ["machine"]}
ASKED = proposal(caller=DAEMON, request={"task": "t1"})


def test_a_daemon_without_a_grant_may_do_nothing(machine: Machine) -> None:
    assert "No grant is in force for task t1" in machine.reasons(ASKED)


def test_a_grant_allows_what_it_says(machine: Machine) -> None:
    grant = machine.guard.grant(GIVEN, PERSON)
    assert machine.decide(ASKED) == "allow"
    assert f"Grant {grant.id} of user 1000 for task t1" in machine.reasons(ASKED)


@pytest.mark.parametrize(
    ("given", "asked", "said"),
    [
        ({}, replace(ASKED, caller=HEALING), "is for task t1 of jepad.service"),
        ({}, proposal(caller=DAEMON, request={"task": "t2"}), "is for task t1"),
        ({}, proposal(caller=DAEMON), "is for task t1"),
        ({"actions": ["vm.dirty_ratio"]}, ASKED, "does not name vm.swappiness"),
        ({"actions": ["net.*"]}, ASKED, "does not name"),
        ({"targets": ["backup.service"]}, ASKED, "does not name machine"),
        ({"ranges": {"vm.swappiness": [20, 60]}}, ASKED, "from 20 to 60, not 10"),
        ({"ranges": {"vm.swappiness": [20, 60]}}, replace(ASKED, new="max"), "not max"),
        ({"ranges": {"vm.swappiness": [20, 60]}}, replace(ASKED, new=None), "not None"),
        ({"ranges": {"vm.swappiness": [20, 60]}}, replace(ASKED, new="sda:99 sdb:30"), "not sda:99 sdb:30"),
        ({"most_for_s": 60}, ASKED, "at most 60 s"),
        ({"most_for_s": 60}, proposal(caller=DAEMON, request={"task": "t1", "for_s": 61.0}), "at most 60 s"),
    ],
)
def test_what_is_outside_is_refused_with_the_reason(
    machine: Machine, given: Mapping[str, Any], asked: Proposal, said: str
) -> None:
    machine.guard.grant({**GIVEN, **given}, PERSON)
    assert machine.decide(asked) == "deny"
    assert said in machine.reasons(asked)


def test_the_rate_of_a_grant(machine: Machine) -> None:
    machine.guard.grant({**GIVEN, "rate_per_hour": 2}, PERSON)
    made = [replace(change(ASKED, age_s=100.0 + n), setting=f"x{n}") for n in range(3)]
    assert machine.decide(ASKED, made[0]) == "allow"
    assert "2 changes an hour" in machine.reasons(ASKED, *made[:2])
    assert machine.decide(ASKED, *[replace(each, task="t2") for each in made]) == "allow"


def test_a_process_may_be_named_by_its_unit(machine: Machine) -> None:
    machine.guard.grant({"task": "t1", "actions": ["process.nice"], "targets": ["backup.service"]}, PERSON)
    machine.process(70, "/system.slice/backup.service")
    machine.process(71, "/system.slice/nginx.service")
    machine.process(72, "/user.slice/user-1.slice/user@1.service/app.slice/backup.service")
    decisions = [
        machine.decide(proposal("process.nice", str(pid), 5, DAEMON, 0, request={"task": "t1"}))
        for pid in (70, 71, 72)
    ]
    assert decisions == ["allow", "deny", "deny"]


def test_what_cannot_be_taken_back_has_to_be_named_in_full(machine: Machine) -> None:
    machine.process(70, "/system.slice/backup.service")
    asked = proposal("process.kill", "70", "killed", HEALING, None, request={"task": "healing"})
    machine.guard.grant({"task": "healing", "actions": ["process.*"], "targets": ["*"]}, PERSON)
    assert "in full" in machine.reasons(asked)
    machine.guard.grant({"task": "healing", "actions": ["process.kill"], "targets": ["*"]}, PERSON)
    assert machine.decide(asked) == "allow"


def test_no_grant_reaches_what_is_forbidden_or_protected(machine: Machine) -> None:
    machine.guard.grant({"task": "t1", "actions": ["*"], "targets": ["*"]}, PERSON)
    assert machine.decide(ASKED) == "allow"
    machine.policy('[[forbid]]\nid = "no"\naction = "vm.*"\nreason = "Not here."\n')
    assert "Not here." in machine.reasons(ASKED)
    machine.process(1, "/init.scope")
    assert machine.decide(proposal("process.nice", "1", 5, DAEMON, 0, request={"task": "t1"})) == "deny"


def test_a_daemon_is_denied_where_a_person_is_asked(machine: Machine) -> None:
    machine.guard.grant({"task": "t1", "actions": ["*"], "targets": ["*"]}, PERSON)
    (machine.root / "run/tlp").mkdir(parents=True)
    held = replace(ASKED, resource=replace(ASKED.resource, setting="cpu.governor"))
    assert machine.decide(held) == "deny"
    assert machine.decide(replace(held, caller=PERSON)) == "ask"


@pytest.mark.parametrize("caller", [DAEMON, HEALING, WEB, Caller(uid=65534)])
def test_only_persons_give_and_end_grants(machine: Machine, caller: Caller) -> None:
    with pytest.raises(JepaError) as refused:
        machine.guard.grant(GIVEN, caller)
    assert refused.value.status == 403
    grant = machine.guard.grant({**GIVEN, "daemon": "jepa-healing.service"}, PERSON)
    with pytest.raises(JepaError):
        machine.guard.revoke(
            grant.id, replace(caller, unit="jepad.service" if caller is HEALING else caller.unit)
        )
    assert machine.guard.grants() == [grant]


def test_a_revoked_grant_is_over_at_once_and_for_good(machine: Machine) -> None:
    grant = machine.guard.grant(GIVEN, PERSON)
    other = machine.guard.grant({**GIVEN, "task": "t2"}, PERSON)
    machine.guard.revoke(grant.id, PERSON)
    assert machine.decide(ASKED) == "deny"
    assert GrantStore(machine.root / "grants.jsonl", BOOT).in_force() == [other]
    with pytest.raises(JepaError, match="no grant"):
        machine.guard.revoke(grant.id, PERSON)


def test_a_daemon_may_give_up_its_own_grant_and_no_other(machine: Machine) -> None:
    grant = machine.guard.grant(GIVEN, PERSON)
    for caller in (HEALING, WEB):
        with pytest.raises(JepaError, match="Only a person"):
            machine.guard.revoke(grant.id, caller)
    machine.guard.revoke(grant.id, DAEMON)
    assert machine.guard.grants() == []


# The end of a grant


def test_no_change_outlives_the_grant_that_allowed_it(machine: Machine) -> None:
    machine.guard.grant({**GIVEN, "for_s": 600}, PERSON)
    machine.now_s += 500
    assert "at most 100 s" in machine.reasons(ASKED)
    assert machine.decide(replace(ASKED, request=ASKED.request._replace(for_s=101.0))) == "deny"
    assert machine.decide(replace(ASKED, request=ASKED.request._replace(for_s=99.0))) == "allow"


@pytest.mark.parametrize(
    ("boot_id", "now_s", "wall_s", "holds"),
    [
        (BOOT, 1059, 2059, True),
        (BOOT, 1060, 2059, False),
        (BOOT, 1060, 100, False),
        (BOOT, 1059, 100, True),
        (BOOT, 1059, 2060, False),
        ("2" * 32, 5, 2059, True),
        ("2" * 32, 5, 2060, False),
        ("2" * 32, 5, 1999, False),
    ],
)
def test_a_grant_ends_by_either_clock(
    tmp_path: Path, boot_id: str, now_s: float, wall_s: int, holds: bool
) -> None:
    store = GrantStore(tmp_path / "grants", BOOT, lambda: 1000.0, lambda: 2000 * 10**9)
    store.add({**GIVEN, "for_s": 60}, 0)
    then = GrantStore(tmp_path / "grants", boot_id, lambda: now_s, lambda: wall_s * 10**9)
    assert bool(then.in_force()) is holds


def test_a_grant_without_an_end_holds_after_a_reboot_whatever_the_clock_says(tmp_path: Path) -> None:
    GrantStore(tmp_path / "grants", BOOT, lambda: 1000.0, lambda: 2000 * 10**9).add(GIVEN, 0)
    assert GrantStore(tmp_path / "grants", "2" * 32, lambda: 5.0, lambda: 0).in_force()


# The file


def test_damage_costs_its_own_grant(tmp_path: Path) -> None:
    store = GrantStore(tmp_path / "grants", BOOT)
    kept = [store.add({**GIVEN, "task": f"t{n}"}, 0) for n in range(3)]
    content = (tmp_path / "grants").read_bytes()
    for at in range(len(content)):
        (tmp_path / "grants").write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        assert all(grant in kept for grant in store.in_force())
        assert len(store.in_force()) >= 1


def test_a_torn_file_has_the_whole_grants_before(tmp_path: Path) -> None:
    store = GrantStore(tmp_path / "grants", BOOT)
    kept = [store.add({**GIVEN, "task": f"t{n}"}, 0) for n in range(2)]
    content = (tmp_path / "grants").read_bytes()
    (tmp_path / "grants").write_bytes(content[:-5])
    assert store.in_force() == kept[:1]


def test_a_full_disk_keeps_the_grants_as_they_were(tmp_path: Path) -> None:
    store = GrantStore(tmp_path / "grants", BOOT)
    grant = store.add(GIVEN, 0)
    (tmp_path / "grants.new").symlink_to("/dev/full")
    with pytest.raises(JepaError) as full:
        store.add({**GIVEN, "task": "t2"}, 0)
    assert full.value.status == 507
    assert store.in_force() == [grant]


def test_there_are_not_endlessly_many(tmp_path: Path) -> None:
    store = GrantStore(tmp_path / "grants", BOOT)
    for _ in range(64):
        store.add(GIVEN, 0)
    with pytest.raises(JepaError) as refused:
        store.add(GIVEN, 0)
    assert refused.value.status == 429


@pytest.mark.parametrize(
    "wrong",
    [
        {"task": ""}, {"task": "a b"}, {"task": 5}, {"actions": []}, {"actions": "vm.*"},
        {"actions": ["vm.nothing"]}, {"actions": ["nothing.*"]}, {"targets": []}, {"targets": [5]},
        {"ranges": {"vm.dirty_ratio": [1, 2]}}, {"ranges": {"vm.swappiness": [2, 1]}},
        {"ranges": {"vm.swappiness": [float("nan"), 1]}}, {"ranges": {"vm.swappiness": [1]}},
        {"ranges": {"vm.swappiness": [0, float("inf")]}}, {"ranges": 5}, {"for_s": 0}, {"for_s": -1},
        {"for_s": float("nan")}, {"for_s": 1e30}, {"for_s": True}, {"rate_per_hour": 0},
        {"rate_per_hour": 1.5}, {"rate_per_hour": 10**6}, {"most_for_s": "x"}, {"daemon": "nginx.service"},
        {"daemon": ["jepad.service"]}, {"uid": 0}, {"id": "ffffffff", "more": 1},
    ],
)  # fmt: skip
def test_what_is_no_grant_is_refused(tmp_path: Path, wrong: Mapping[str, Any]) -> None:
    with pytest.raises(JepaError) as refused:
        GrantStore(tmp_path / "grants", BOOT).add({**GIVEN, **wrong}, 0)
    assert refused.value.status == 422
    assert not (tmp_path / "grants").exists()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
KEYS = st.sampled_from(["task", "actions", "targets", "ranges", "for_s", "daemon", "x"])


@given(st.dictionaries(KEYS, JSON))
def test_any_message_is_a_grant_or_a_refusal(message: Mapping[str, Any]) -> None:
    store = GrantStore(Path("/nonexistent/grants"), BOOT)
    with pytest.raises(JepaError) as refused:
        store.add(message, 0)
    assert refused.value.status in (422, 507)


def test_the_id_is_not_the_givers_to_choose(tmp_path: Path) -> None:
    assert GrantStore(tmp_path / "grants", BOOT).add({**GIVEN, "id": "ffffffff"}, 0).id != "ffffffff"


# Random requests outside random grants


def random_grant(dice: random.Random) -> dict[str, Any]:
    names = list(catalogue())
    actions = dice.sample([*names, "vm.*", "process.*"], dice.randint(1, 4))
    grant: dict[str, Any] = {
        "task": f"t{dice.randint(0, 1)}",
        "daemon": dice.choice(["jepad.service", "jepa-healing.service"]),
        "actions": actions,
        "targets": dice.sample(
            ["machine", "backup.service", "nginx.service", "7?", "back*"], dice.randint(1, 2)
        ),
        "rate_per_hour": dice.randint(1, 5),
    }
    named = [name for name in actions if name in names]
    if named and dice.random() < 0.5:
        grant["ranges"] = {dice.choice(named): sorted((dice.randint(0, 100), dice.randint(0, 100)))}
    if dice.random() < 0.3:
        grant["most_for_s"] = dice.randint(1, 100)
    return grant


def random_request(dice: random.Random) -> Proposal:
    name = dice.choice(list(catalogue()))
    target = {"process": dice.choice(["70", "71", "1", "2"]), "machine": ""}.get(
        catalogue()[name].target, "backup.service"
    )
    value: Value = dice.choice([dice.randint(-10, 200), "max", None, "idle", 5.5, True])
    request = {"task": f"t{dice.randint(0, 2)}", "for_s": dice.choice([None, 5.0, 50.0, 500.0])}
    return proposal(name, target, value, dice.choice((DAEMON, HEALING)), 60, request=request)


def covers(grant: Grant, asked: Proposal, targets: set[str]) -> bool:
    """Whether a grant allows it, said a second time and in other words than the guard's."""
    named = asked.action.name in grant.actions
    by_pattern = any(fnmatchcase(asked.action.name, each) for each in grant.actions)
    aimed = any(fnmatchcase(name, each) for name in targets for each in grant.targets)
    low, high = grant.ranges.get(asked.action.name, (None, None))
    number = asked.new if isinstance(asked.new, int | float) and not isinstance(asked.new, bool) else None
    number = float("inf") if asked.new == "max" else number
    ranged = low is None or (number is not None and high is not None and low <= number <= high)
    limit, for_s = grant.most_for_s, asked.request.for_s
    timed = limit is None or not asked.action.reversible or (for_s is not None and for_s <= limit)
    mine = grant.daemon == asked.caller.unit and grant.task == asked.request.task
    return mine and (named or (by_pattern and asked.action.reversible)) and aimed and ranged and timed


def tried(root: Path, count: int) -> tuple[int, int, list[Proposal]]:
    """How many of ``count`` requests were inside a grant, how many allowed, and those allowed outside."""
    dice = random.Random(15)
    machine = Machine(root)
    for name in ("backup.service", "nginx.service"):
        machine.manager.add(name)
    machine.process(1, "/init.scope")
    machine.process(2, flags=0x00200000)
    machine.process(70, "/system.slice/backup.service")
    machine.process(71, "/system.slice/nginx.service")
    units = {"70": "backup.service", "71": "nginx.service"}
    inside = allowed = 0
    wrong = []
    for number in range(count):
        if number % 100 == 0:
            for each in machine.grants.in_force():
                machine.grants.revoke(each.id)
            for _ in range(dice.randint(0, 4)):
                machine.grants.add(random_grant(dice), 1000)
            grants = machine.grants.in_force()
        asked = random_request(dice)
        name = asked.resource.name
        targets = {name or "machine"} | ({units[name]} if name in units else set())
        within = name not in ("1", "2") and any(covers(grant, asked, targets) for grant in grants)
        inside += within
        if machine.decide(asked) != "deny":
            allowed += 1
            if not within:
                wrong.append(asked)
    return inside, allowed, wrong


def test_random_requests_outside_a_grant_are_refused(tmp_path: Path) -> None:
    inside, allowed, wrong = tried(tmp_path, 1000)
    assert wrong == []
    assert 0 < allowed <= inside


@pytest.mark.slow
def test_10_000_random_requests_outside_a_grant_are_refused(tmp_path: Path) -> None:
    inside, allowed, wrong = tried(tmp_path, 13_000)
    assert wrong == []
    assert 0 < allowed <= inside < 3_000
