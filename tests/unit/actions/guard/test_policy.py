# SPDX-License-Identifier: Apache-2.0
"""The policy: default deny, forbid wins, order changes nothing, a wrong file leaves the last good one."""

import json
import os
import random
import re
import textwrap
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, fields, replace
from datetime import datetime
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.actions.catalogue import TargetKind, Tier, Value
from jepa.actions.change import Caller
from jepa.actions.guard import policy as policies
from jepa.actions.guard import rules as rule_module
from jepa.actions.guard.policy import compose
from jepa.actions.guard.policy_store import PolicyStore
from jepa.actions.guard.rules import JudgedProposal
from tests.unit.actions.guard.machine import DAEMON, PERSON, ROOT, WEB, Machine, proposal

SHIPPED = Path(policies.__file__).with_name("policy.toml").read_text()
PACKAGED = "/usr/lib/jepa/policy.toml"


def question(target: str = "backup.service", **more: object) -> JudgedProposal:
    asked = JudgedProposal(
        action="cpu.weight",
        family="unit_resources",
        tier=Tier.TUNE,
        kind=TargetKind.UNIT,
        names=(target,),
        touched=frozenset({target}),
        role="system",
        value=50,
        caller=PERSON,
        on_battery=False,
        now=datetime(2026, 11, 28, 12, 0),
    )
    return replace(asked, **more)  # type: ignore[arg-type]


def decide(asked: JudgedProposal, *texts: str) -> str:
    files = [(PACKAGED, SHIPPED), *((f"/etc/jepa/policy.d/{n}.toml", text) for n, text in enumerate(texts))]
    return compose(files).decide(asked).decision


def rule(effect: str, condition: str = "", rule_id: str = "mine") -> str:
    return f'[[{effect}]]\nid = "{rule_id}"\nreason = "So it is."\n{condition}\n'


def test_what_no_rule_permits_is_denied() -> None:
    assert compose([]).decide(question()).decision == "deny"


@pytest.mark.parametrize(
    ("tier", "caller", "decision"),
    [
        (Tier.TUNE, PERSON, "allow"),
        (Tier.DISRUPT, PERSON, "ask"),
        (Tier.IRREVERSIBLE, PERSON, "ask"),
        (Tier.TUNE, ROOT, "allow"),
        (Tier.DISRUPT, ROOT, "ask"),
        (Tier.TUNE, WEB, "deny"),
        (Tier.TUNE, Caller(uid=65534), "deny"),
        (Tier.TUNE, DAEMON, "deny"),
    ],
)
def test_the_packaged_policy(tier: Tier, caller: Caller, decision: str) -> None:
    assert decide(question(tier=tier, caller=caller)) == decision


def test_the_reason_names_the_rule_and_its_file() -> None:
    verdict = compose([(PACKAGED, SHIPPED)]).decide(question(caller=WEB))
    assert "(rule services-ask-a-person, /usr/lib/jepa/policy.toml)" in verdict.reasons[0]


@pytest.mark.parametrize(
    ("condition", "asked", "held"),
    [
        ('action = "cpu.*"', question(), True),
        ('action = "memory.*"', question(), False),
        ('family = "unit_resources"', question(), True),
        ('tier = ["disrupt", "irreversible"]', question(), False),
        ('kind = "process"', question(), False),
        ('target = "backup.service"', question(), True),
        ('target = "back*"', question(), True),
        ('target = "nginx.service"', question(), False),
        ('target = "worker@.service"', question("worker@3.service"), True),
        (
            'target = "nginx.service"',
            question("web.slice", touched=frozenset({"web.slice", "nginx.service"})),
            True,
        ),
        (
            'target = "nginx.service"',
            question("x.service", touched=frozenset({"x.service", "nginx.service"})),
            True,
        ),
        ('target = "NGINX.service"', question("nginx.service"), True),
        ('target = "machine"', question("machine", kind=TargetKind.MACHINE), True),
        ('role = "background"', question(role="background"), True),
        ('role = "background"', question(), False),
        ('caller = "person"', question(), True),
        ('caller = "root"', question(), False),
        ('caller = "root"', question(caller=ROOT), True),
        ('caller = "autonomous"', question(caller=DAEMON), True),
        ("uid = [1000, 1001]", question(), True),
        ("uid = 1001", question(), False),
        ('unit = "session-*.scope"', question(caller=ROOT), True),
        ("maximum = 50", question(), True),
        ("maximum = 49", question(), False),
        ("minimum = 51", question(), False),
        ('minimum = "1G"', question(value=2**31), True),
        ('minimum = "1G"', question(value="max"), True),
        ('minimum = "10M"', question(value="vda:20971520"), True),
        ('minimum = "10M"', question(value="vda:1048576"), False),
        ('minimum = "10M"', question(value="vda:20971520 vdb:1"), True),
        ('minimum = "10M"', question(value="vda:1 vdb:max"), True),
        ("maximum = 5", question(value="idle"), True),
        ("maximum = 5", question(value=""), True),
        ('hours = "11:00-13:00"', question(), True),
        ('hours = "22:00-06:00"', question(), False),
        ('hours = "22:00-06:00"', question(now=datetime(2026, 11, 28, 5, 59)), True),
        ('hours = "22:00-06:00"', question(now=datetime(2026, 11, 28, 22, 0)), True),
        ('hours = "22:00-06:00"', question(now=datetime(2026, 11, 28, 6, 0)), False),
        ("on_battery = true", question(on_battery=True), True),
        ("on_battery = true", question(), False),
        ('action = "cpu.*"\ntarget = "nginx.service"', question(), False),
    ],
)
def test_each_condition_of_a_forbid(condition: str, asked: JudgedProposal, held: bool) -> None:
    reasons = compose([("/etc/jepa/policy.toml", rule("forbid", condition))]).forbidden(asked)
    assert bool(reasons) is held


@pytest.mark.parametrize(
    ("condition", "asked"),
    [
        ('target = "BACKUP.service"', question()),
        (
            'target = "nginx.service"',
            question("web.slice", touched=frozenset({"web.slice", "nginx.service"})),
        ),
        ('target = "worker@.service"', question("worker@3.service")),
        ("maximum = 50", question(value="idle")),
        ("maximum = 50", question(value=None)),
        ("maximum = 50", question(value="")),
        ("maximum = 50", question(value="vda:99 vdb:1")),
        ("minimum = 1", question(value="vda:99 vdb:x")),
        ("maximum = 50", question(value=float("nan"))),
        ("", question(protected=True)),
        ("raises_protected = true", question()),
    ],
)
def test_a_permit_holds_for_no_more_than_it_says(condition: str, asked: JudgedProposal) -> None:
    assert compose([("/etc/jepa/policy.toml", rule("permit", condition))]).decide(asked).decision == "deny"


def test_an_own_permit_spares_the_question_and_a_forbid_beats_it() -> None:
    asked = question("nginx.service", action="unit.restart", tier=Tier.DISRUPT)
    permit = rule("permit", 'action = "unit.restart"\ntarget = "nginx.service"')
    assert decide(asked) == "ask"
    assert decide(asked, permit) == "allow"
    assert decide(asked, permit, rule("forbid", 'target = "nginx*"', "no")) == "deny"


def test_a_packaged_rule_is_disabled_unless_it_is_final() -> None:
    assert decide(question(), 'disable = ["persons-tune"]') == "deny"
    with pytest.raises(ValueError, match="services-ask-a-person is final"):
        decide(question(), 'disable = ["services-ask-a-person"]')
    with pytest.raises(ValueError, match="only packaged rules"):
        decide(question(), rule("forbid"), 'disable = ["mine"]')
    with pytest.raises(ValueError, match="no rule x"):
        decide(question(), 'disable = ["x"]')


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[permit]", "toml"),
        ("[rules]", "no section 'rules'"),
        ("permit = 1", "[[permit]]"),
        ('[[permit]]\nid = "a b"\nreason = "x"', "needs an id"),
        ('[[permit]]\nid = "a"', "reason"),
        (rule("permit", 'targets = "x"'), "no condition 'targets'"),
        (rule("permit", 'tier = "harmless"'), "harmless"),
        (rule("permit", "action = []"), "no list of texts"),
        (rule("permit", 'action = [1]'), "no list of texts"),
        (rule("permit", 'caller = "admin"'), "none of person"),
        (rule("permit", 'caller = "autonomous"'), "a grant's to say"),
        (rule("forbid", "ask = true"), "for rules that permit"),
        (rule("permit", "uid = -1"), "no user number"),
        (rule("permit", "uid = true"), "no user number"),
        (rule("permit", "minimum = nan"), "no number"),
        (rule("permit", "minimum = 5\nmaximum = 4"), "above maximum"),
        (rule("permit", 'hours = "25:00-26:00"'), "no span of the day"),
        (rule("permit", 'on_battery = "yes"'), "neither true nor false"),
        (rule("permit", "final = true"), "only packaged rules are final"),
        (rule("permit") + rule("forbid"), "is in /etc/jepa/policy.toml already"),
        ('[budget]\nactions = 1', "[budget] knows"),
        ('[budget]\nactions_per_hour = -1', "is a number"),
        ('[protect]\nprocesses = []', "[protect] knows"),
        ('[protect]\nunits = "x"', "list of texts"),
        ('disable = "x"', "list of texts"),
        ("x = " + "[" * 2000, "policy.toml"),
    ],
)  # fmt: skip
def test_a_file_that_is_wrong_is_refused_with_its_name_and_the_fault(text: str, said: str) -> None:
    with pytest.raises(ValueError) as refused:
        compose([("/etc/jepa/policy.toml", text)])
    assert (
        str(refused.value).startswith("/etc/jepa/policy.toml") and said.lower() in str(refused.value).lower()
    )


@given(st.text(max_size=200))
def test_any_text_is_a_policy_or_a_value_error(text: str) -> None:
    try:
        compose([("/etc/jepa/policy.toml", text)])
    except ValueError as error:
        assert "/etc/jepa/policy.toml" in str(error)


# Properties over random rules

CONDITIONS = (
    *(
        'action = "cpu.*"',
        'action = "*"',
        'action = "memory.high"',
        'tier = "tune"',
        'target = "backup.service"',
    ),
    *(
        'target = "*"',
        'target = "nginx.*"',
        'caller = "person"',
        'caller = "root"',
        "uid = 1000",
        "maximum = 60",
    ),
    *("minimum = 40", 'role = "system"', 'kind = "unit"', "on_battery = false", 'hours = "00:00-23:59"', ""),
)
TARGETS = ("backup.service", "nginx.service", "machine", "web.slice")


@st.composite
def rules(draw: st.DrawFn) -> tuple[str, list[str]]:
    """The effect and the conditions of a rule."""
    effect = draw(st.sampled_from(["permit", "forbid"]))
    chosen = draw(
        st.lists(st.sampled_from(CONDITIONS), max_size=3, unique_by=lambda each: each.partition(" ")[0])
    )
    return effect, chosen


@st.composite
def questions(draw: st.DrawFn) -> JudgedProposal:
    target = draw(st.sampled_from(TARGETS))
    value: Value = draw(st.sampled_from([0, 50, 100, "max", None, "vda:50"]))
    return question(
        target,
        action=draw(st.sampled_from(["cpu.weight", "cpu.max", "memory.high", "unit.stop"])),
        tier=draw(st.sampled_from(list(Tier))),
        caller=draw(st.sampled_from([PERSON, ROOT, WEB])),
        value=value,
        touched=frozenset(draw(st.lists(st.sampled_from(TARGETS), max_size=2))) | {target},
    )


def written(made: Sequence[tuple[str, list[str]]]) -> list[tuple[str, str]]:
    return [
        (f"/etc/jepa/policy.d/{number}.toml", rule(effect, "\n".join(conditions), f"r{number}"))
        for number, (effect, conditions) in enumerate(made)
    ]


@given(st.lists(rules(), max_size=5), questions())
def test_a_forbid_that_holds_always_wins(made: list[tuple[str, list[str]]], asked: JudgedProposal) -> None:
    policy = compose([(PACKAGED, SHIPPED), *written(made)])
    decision = policy.decide(asked).decision
    held = {each.effect for each in policy.rules if each.holds(asked)}
    assert (decision == "deny") is (held != {"permit"})


@given(st.lists(rules(), max_size=4), questions(), st.randoms())
def test_the_order_of_files_changes_nothing(
    made: list[tuple[str, list[str]]], asked: JudgedProposal, dice: random.Random
) -> None:
    files = [(PACKAGED, SHIPPED), *written(made)]
    shuffled = dice.sample(files, len(files))
    assert compose(shuffled).decide(asked).decision == compose(files).decide(asked).decision


@given(st.lists(rules(), max_size=4), rules(), questions())
def test_another_forbid_never_widens(
    made: list[tuple[str, list[str]]], more: tuple[str, list[str]], asked: JudgedProposal
) -> None:
    before = compose(written(made)).decide(asked).decision
    after = compose(written([*made, ("forbid", more[1])])).decide(asked).decision
    assert after in ("deny", before)


@given(st.lists(rules(), max_size=4), questions())
def test_nothing_in_etc_widens_past_a_final_forbid(
    made: list[tuple[str, list[str]]], asked: JudgedProposal
) -> None:
    files = [(PACKAGED, SHIPPED), *written(made)]
    assert compose(files).decide(replace(asked, caller=WEB)).decision == "deny"


# The store


def test_a_changed_file_is_in_force_at_the_next_question(machine: Machine) -> None:
    assert machine.decide(proposal()) == "allow"
    machine.policy(rule("forbid", 'action = "vm.*"'))
    assert machine.decide(proposal()) == "deny"
    machine.policy(rule("forbid", 'action = "net.*"'))
    assert machine.decide(proposal()) == "allow"
    (machine.root / "etc/jepa/policy.toml").unlink()
    assert machine.decide(proposal()) == "allow"


def test_a_file_that_is_wrong_leaves_the_last_good_policy_and_says_so(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    machine.policy(rule("forbid", 'action = "vm.*"'))
    assert machine.decide(proposal()) == "deny"
    machine.policy("[[forbid]\n")
    assert machine.decide(proposal()) == "deny"
    assert "/etc/jepa/policy.toml" in machine.guard.policy_fault
    assert "stays in force" in machine.guard.policy_fault
    assert [each.levelname for each in caplog.records] == ["ERROR"]
    machine.policy("")
    assert machine.guard.policy_fault == ""
    assert machine.decide(proposal()) == "allow"


def test_an_actuator_that_starts_anew_knows_the_last_good_policy(machine: Machine, tmp_path: Path) -> None:
    machine.policy(rule("forbid", 'action = "vm.*"'))
    assert machine.decide(proposal()) == "deny"
    machine.policy("[[forbid]\n")
    machine.store._policy = machine.store._seen = None  # as a process that has just begun
    assert machine.decide(proposal()) == "deny"
    assert "rule mine" in machine.reasons(proposal())
    assert "stays in force" in machine.guard.policy_fault


def test_without_a_good_policy_everything_is_refused(machine: Machine) -> None:
    machine.policy("[[forbid]\n")
    assert machine.decide(proposal()) == "deny"
    assert "Everything is refused" in machine.reasons(proposal())
    assert machine.guard.policy is None


def test_a_kept_policy_that_is_damaged_is_none(machine: Machine) -> None:
    (machine.root / "policy.json").write_text('[["/etc/x", ')
    machine.policy("[[forbid]\n")
    assert machine.decide(proposal()) == "deny"


def test_whoever_asks_while_the_first_policy_is_read_waits_for_it(machine: Machine) -> None:
    for _ in range(20):
        store = PolicyStore(machine.root)
        with ThreadPoolExecutor(4) as threads:
            asked = [threads.submit(store.policy) for _ in range(4)]
        assert None not in [each.result() for each in asked]


def test_a_file_that_others_may_write_is_not_read(machine: Machine) -> None:
    machine.policy(rule("permit"))
    (machine.root / "etc/jepa/policy.toml").chmod(0o666)
    assert "others than root may write it" in machine.guard.policy_fault
    (machine.root / "etc/jepa/policy.toml").chmod(0o644)
    assert machine.guard.policy_fault == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a file to another user")
def test_a_file_that_another_user_owns_is_not_read(machine: Machine) -> None:
    machine.policy(rule("permit"))
    os.chown(machine.root / "etc/jepa/policy.toml", 1000, 1000)
    assert "others than root may write it" in machine.guard.policy_fault


def test_a_file_that_is_no_file_or_endless_is_refused(machine: Machine) -> None:
    machine.policy("#" * (1 << 20) + "\n")
    assert "larger than 1 MiB" in machine.guard.policy_fault
    (machine.root / "etc/jepa/policy.toml").write_bytes(b"\xff\xfe")
    assert "no UTF-8" in machine.guard.policy_fault
    (machine.root / "etc/jepa/policy.toml").unlink()
    os.mkfifo(machine.root / "etc/jepa/policy.toml", 0o644)
    assert machine.guard.policy is not None  # an empty pipe says nothing, and is not waited for


def test_files_in_policy_d_count_whatever_they_are_called(machine: Machine) -> None:
    for name in ("policy.d/00-first.toml", "policy.d/zz.toml"):
        machine.policy(rule("forbid", 'action = "vm.*"', name[9:11]), name)
    assert "rule 00" in machine.reasons(proposal()) and "rule zz" in machine.reasons(proposal())
    machine.policy("not toml at all [", "policy.d/README.md")
    assert machine.guard.policy_fault == ""


def test_budgets_of_several_files_are_the_strictest() -> None:
    files = [
        (PACKAGED, SHIPPED),
        ("/etc/a", "[budget]\nactions_per_hour = 500"),
        ("/etc/b", "[budget]\nactions_per_hour = 300"),
    ]
    for order in permutations(files):
        assert compose(order).limits.actions_per_hour == 300


def test_a_policy_can_be_sent_as_json() -> None:
    conditions = 'hours = "22:00-06:00"\nminimum = "1G"\ntier = "tune"\nkind = "unit"\nuid = 0'
    policy = compose([(PACKAGED, SHIPPED), ("/etc/jepa/policy.toml", rule("forbid", conditions))])
    assert json.loads(json.dumps(asdict(policy)))["rules"][-1]["hours"] == "22:00-06:00"


def test_a_policy_is_checked_before_it_is_installed(machine: Machine, tmp_path: Path) -> None:
    draft = tmp_path / "draft.toml"
    draft.write_text(rule("forbid", 'target = "nginx*"'))
    draft.chmod(0o644)
    assert any(each.id == "mine" for each in policies.check(draft, machine.root).rules)
    draft.write_text(rule("forbid", 'targt = "nginx*"'))
    with pytest.raises(ValueError, match="targt"):
        policies.check(draft, machine.root)


# The documentation

GUIDE = Path(__file__).parents[4] / "docs/how-to/write-a-policy.md"


def test_the_examples_of_the_guide_are_policies() -> None:
    blocks = re.findall(r"(?:^    .*\n|^\n)+", GUIDE.read_text(), re.MULTILINE)
    texts = [textwrap.dedent(block) for block in blocks if block.strip().startswith(("[", "#", "disable"))]
    assert len(texts) >= 6
    policy = compose(
        [(PACKAGED, SHIPPED), *((f"/etc/jepa/policy.d/{n}.toml", each) for n, each in enumerate(texts))]
    )
    assert {"no-restart-by-day", "restart-nginx", "ssh-first"} <= {each.id for each in policy.rules}


def test_the_guide_has_every_condition_and_budget() -> None:
    text = GUIDE.read_text()
    for name in [*rule_module._CONDITIONS, *(each.name for each in fields(policies.Limits))]:
        assert f"`{name}`" in text or f"{name} =" in text or f"`{name} =" in text, name
