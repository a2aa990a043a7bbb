# SPDX-License-Identifier: Apache-2.0
"""What a plan is: the smallest change that surely reaches the goal, or nothing."""

import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jepa.errors import JepaError
from jepa.packs.effects import ChannelEffect
from jepa.planning.goals import Knowledge
from jepa.planning.plan import Plan, plan_hash
from jepa.planning.planner import Planner
from jepa.planning.protocols import Costable, IntArray
from jepa.planning.solvers import solver_for
from jepa.tasks.spec import TaskSpec
from jepa.telemetry.schema import Schema
from tests.unit.planning.conftest import (
    BUSY,
    HORIZONS_S,
    PAUSE,
    QUOTA,
    WAIT,
    WEIGHT,
    Heart,
    Tree,
    effects,
    moment_of,
)

HELPS = {(WEIGHT, WAIT): -0.4, (QUOTA, WAIT): -0.4, (PAUSE, WAIT): -0.6}
Knowing = Callable[..., Knowledge]


def planned(dynamics: Heart, knowing: Knowledge, spread: float = 0.02, **spec: Any) -> Plan:
    wanted = TaskSpec.model_validate({"intent": "prioritize", **spec})
    return Planner("b00t").plan(wanted, moment_of(dynamics, spread), knowing)


def test_what_waits_is_helped_by_the_smallest_change_that_does_it(schema: Schema, knowing: Knowing) -> None:
    plan = planned(Heart(schema, {WAIT: 0.48}, HELPS), knowing())
    (step,) = plan.steps
    assert (step.action, step.target, step.old, step.inverse) == (
        "cpu.weight",
        "background.slice",
        "default",
        "cpu.weight",
    )
    assert plan.energy.gain > plan.energy.lower > 0
    assert plan.verdict.decision == "ask"
    window = plan.windows[WAIT][15]
    assert window.taken[1] < window.without[1]
    assert window.taken[0] <= window.taken[1] <= window.taken[2]


def test_what_does_not_wait_is_not_helped(schema: Schema, knowing: Knowing) -> None:
    plan = planned(Heart(schema, {WAIT: 0.1}, HELPS), knowing())
    assert not plan.steps
    assert plan.verdict.decision == "allow"
    assert (plan.energy.gain, plan.energy.taken) == (0, plan.energy.without)


def test_an_effect_as_uncertain_as_it_is_large_is_not_acted_on(schema: Schema, knowing: Knowing) -> None:
    dynamics = Heart(schema, {WAIT: 0.6}, HELPS)
    assert planned(dynamics, knowing(effects(0.1, QUOTA, PAUSE))).steps
    plan = planned(dynamics, knowing(effects(0.9, QUOTA, PAUSE)))
    assert not plan.steps
    assert any("within its own uncertainty" in reason for reason in plan.verdict.reasons)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**20), noise=st.floats(0, 0.2), wait=st.floats(0, 1))
def test_doing_nothing_is_never_beaten_by_noise(
    schema: Schema, knowing: Knowing, seed: int, noise: float, wait: float
) -> None:
    # What is imagined at random does not happen in trials: the spread is as large as the size there.
    dynamics = Heart(schema, {WAIT: wait}, noise=noise, seed=seed)
    assert not planned(dynamics, knowing(effects(0.8, QUOTA, PAUSE))).steps


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    wait=st.floats(0, 1),
    weight=st.floats(-0.6, 0.6),
    quota=st.floats(-0.6, 0.6),
    pause=st.floats(-0.6, 0.6),
    spread=st.floats(0, 1),
)
def test_steps_are_taken_only_for_a_sure_gain(
    schema: Schema, knowing: Knowing, wait: float, weight: float, quota: float, pause: float, spread: float
) -> None:
    dynamics = Heart(
        schema, {WAIT: wait}, {(WEIGHT, WAIT): weight, (QUOTA, WAIT): quota, (PAUSE, WAIT): pause}
    )
    plan = planned(dynamics, knowing(effects(spread, WEIGHT, QUOTA, PAUSE)))
    limits = [step for step in plan.steps if step.action != "cpu.weight"]
    assert plan.energy.lower > 0 or not limits
    assert plan.energy.gain > 0 or not plan.steps
    assert plan.energy.gain >= plan.energy.lower
    assert plan.energy.gain == pytest.approx(plan.energy.without - plan.energy.taken, abs=1e-4)


def test_what_no_trial_shows_is_named_and_never_planned_with(schema: Schema, knowing: Knowing) -> None:
    plan = planned(Heart(schema, {WAIT: 0.9}, HELPS), knowing(effects(0.1, QUOTA)))
    assert {step.action for step in plan.steps} == {"cpu.max"}
    assert any(
        "cpu.weight on background" in reason and "unknown" in reason for reason in plan.verdict.reasons
    )
    nothing = planned(Heart(schema, {WAIT: 0.9}, HELPS), knowing(effects(0.1)))
    assert (nothing.steps, nothing.verdict.decision) == ((), "deny")


@pytest.mark.parametrize("spec", [{"intent": "reclaim"}, {"resource": "memory"}, {"resource": "io"}])
def test_memory_and_disks_are_unknown_to_a_pack_without_trials_of_them(
    schema: Schema, knowing: Knowing, spec: dict[str, Any]
) -> None:
    plan = planned(Heart(schema, {WAIT: 0.9}, HELPS), knowing(), **spec)
    assert (plan.steps, plan.verdict.decision) == ((), "deny")
    assert all("unknown" in reason for reason in plan.verdict.reasons)


def test_a_limit_is_a_quota_which_the_kernel_keeps(schema: Schema, knowing: Knowing) -> None:
    dynamics = Heart(schema, {BUSY: 0.8}, {(QUOTA, BUSY): -0.1})
    spec = {"intent": "limit", "targets": ["background"], "amount": {"value": 40, "unit": "%"}}
    plan = planned(dynamics, knowing(effects(0.9, QUOTA)), **spec)
    (step,) = plan.steps
    assert (step.action, step.new) == ("cpu.max", 40)
    low, _, high = plan.windows[BUSY][15].taken
    assert 0 <= low <= high <= 20.01, "40 % of one CPU of two"
    quiet = planned(Heart(schema, {BUSY: 0.1}), knowing(), **spec)
    assert not quiet.steps, "it uses less already"


def test_a_limit_that_is_set_already_needs_nothing(schema: Schema, knowing: Knowing, tree: Tree) -> None:
    tree.group("background.slice", cpu_max="40000 100000")
    amount = {"value": 40, "unit": "%"}
    plan = planned(
        Heart(schema, {BUSY: 0.9}), knowing(), intent="limit", targets=("background",), amount=amount
    )
    assert (plan.steps, plan.verdict.decision) == ((), "allow")
    assert "cpu.max of background.slice is 40 already." in plan.verdict.reasons


def test_a_plan_names_all_that_plans_may_set_for_the_spec(schema: Schema, knowing: Knowing) -> None:
    plan = planned(Heart(schema, {WAIT: 0.1}, HELPS), knowing())
    assert not plan.steps
    assert {(each.action, each.targets) for each in plan.settable} == {
        (name, ("background.slice",)) for name in ("cpu.weight", "cpu.max", "unit.freeze")
    }
    (weights,) = (each.values for each in plan.settable if each.action == "cpu.weight")
    assert weights == ("default", "idle", 1, 10, 20, 50)


def test_what_it_would_cost_to_take_back_what_is_set_is_told(
    schema: Schema, knowing: Knowing, tree: Tree
) -> None:
    assert planned(Heart(schema, {WAIT: 0.4}, HELPS), knowing()).energy.released is None, "nothing is set"
    tree.group("background.slice", cgroup_freeze="1")
    waiting = planned(Heart(schema, {WAIT: 0.9}, HELPS), knowing())
    assert waiting.energy.released is not None and waiting.energy.released > waiting.energy.without
    idle = planned(Heart(schema, {WAIT: 0.0}), knowing())
    assert idle.energy.released == pytest.approx(idle.energy.without, abs=1e-4)


def test_what_gives_back_is_judged_by_what_imposing_it_did(
    schema: Schema, knowing: Knowing, tree: Tree
) -> None:
    tree.group("background.slice", cpu_weight="1")
    heart = Heart(schema, {WAIT: 0.2}, HELPS)  # 0.2 without an effect: the weight is imagined to save 0.4
    known = effects(0.1, WEIGHT)
    weight = known.settings[WEIGHT]
    nothing = ChannelEffect(size=0.01, spread=0.01, changes=20)
    up = {name: dict.fromkeys(HORIZONS_S, nothing) for name in (WAIT, BUSY)}
    timid = effects().model_copy(update={"settings": {WEIGHT: weight.model_copy(update={"up": up})}})
    released = planned(heart, knowing(timid)).energy.released
    assert released == planned(heart, knowing(known)).energy.released, "the worse of the two counts"
    assert released is not None and released > 0.3


def test_what_was_seen_here_is_lost_when_it_is_given_back(
    schema: Schema, knowing: Knowing, tree: Tree
) -> None:
    tree.group("background.slice", cpu_weight="1")
    heart = Heart(schema, {WAIT: 0.0})  # nothing is imagined of it, and nothing waits
    free, seen = (
        planned(heart, replace(knowing(), measured=measured)).energy.released
        for measured in ((), ({WAIT: (2.0, 40.0)},))
    )
    assert free is not None and free < 0.01
    assert seen is not None and seen > 0.1


def test_of_what_conserves_work_the_strictest_is_taken(schema: Schema, knowing: Knowing, tree: Tree) -> None:
    heart = Heart(schema, {WAIT: 0.5}, {(WEIGHT, WAIT): -0.9})
    (step,) = planned(heart, knowing(effects(0.1, WEIGHT))).steps
    assert (step.action, step.new) == ("cpu.weight", "idle"), "10 would nearly do, and more is free"
    tree.group("background.slice", cpu_idle="1")
    kept = planned(heart, knowing(effects(0.1, WEIGHT)))
    assert not kept.steps
    assert kept.energy.released is not None and kept.energy.released > kept.energy.without


def test_what_conserves_work_is_judged_by_what_is_expected_and_what_limits_by_what_is_sure(
    schema: Schema, knowing: Knowing, tree: Tree
) -> None:
    heart = Heart(schema, {WAIT: 0.6}, HELPS)
    plan = planned(heart, knowing(effects(0.9, WEIGHT, QUOTA, PAUSE)))
    assert {step.action for step in plan.steps} == {"cpu.weight"}
    assert plan.energy.gain > 0 > plan.energy.lower, "said as it is"
    tree.group("background.slice", cpu_weight="1")
    harmful = Heart(schema, {WAIT: 0.6}, {(WEIGHT, WAIT): 0.4})
    assert not planned(harmful, knowing(effects(0.9, WEIGHT))).steps, "to give it back may do harm"


def test_what_a_person_has_set_meanwhile_is_left_to_them(schema: Schema, knowing: Knowing) -> None:
    left = replace(knowing(), left=[("freezer", "background.slice"), ("cpu.weight", "background.slice")])
    plan = planned(Heart(schema, {WAIT: 0.6}, HELPS), left)
    assert {step.action for step in plan.steps} == {"cpu.max"}
    assert "unit.freeze of background.slice was set by a person and is left to them." in plan.verdict.reasons


def test_cores_are_hundreds_of_percent(schema: Schema, knowing: Knowing) -> None:
    spec = {"intent": "limit", "targets": ["background"], "amount": {"value": 1, "unit": "cores"}}
    (step,) = planned(Heart(schema, {BUSY: 0.9}), knowing(), **spec).steps
    assert step.new == 100


def test_what_is_protected_is_not_changed(schema: Schema, knowing: Knowing, tree: Tree) -> None:
    dynamics = Heart(schema, {WAIT: 0.9}, HELPS)
    plan = planned(dynamics, knowing(), protect=["background.slice"])
    assert (plan.steps, plan.verdict.decision) == ((), "deny")
    assert "background.slice is protected, so nothing background is changed." in plan.verdict.reasons


def test_a_protected_role_may_not_be_harmed(schema: Schema, knowing: Knowing) -> None:
    system = "system.role.system.pressure.cpu"
    known = effects(0.1, WEIGHT, PAUSE, channels=(WAIT, BUSY, system))
    harms = {**HELPS, (WEIGHT, system): 0.5, (PAUSE, system): 0.0}
    dynamics = Heart(schema, {WAIT: 0.9}, harms)
    assert "cpu.weight" in {step.action for step in planned(dynamics, knowing(known)).steps}
    plan = planned(dynamics, knowing(known), protect=["web"])
    assert {step.action for step in plan.steps} == {"unit.freeze"}
    assert plan.windows[system][15].taken[2] == pytest.approx(plan.windows[system][15].without[2])


def test_a_setting_just_changed_is_left_alone(schema: Schema, knowing: Knowing) -> None:
    plan = planned(Heart(schema, {WAIT: 0.9}, HELPS), knowing(changed_s=12.0))
    assert not plan.steps
    assert any("12 s ago" in reason for reason in plan.verdict.reasons)


def test_the_present_settings_are_what_a_plan_starts_from(
    schema: Schema, knowing: Knowing, tree: Tree
) -> None:
    tree.group("background.slice", cgroup_freeze="1", cpu_weight="20", cpu_max="50000 100000")
    # Frozen work does not get in the way; what it is frozen for is over, and nothing else has to be done.
    plan = planned(Heart(schema, {WAIT: 0.6}, HELPS), knowing())
    assert all(step.old in (20, 50, "frozen") for step in plan.steps)


def test_where_nobody_competes_nothing_need_be_done(schema: Schema, knowing: Knowing, tree: Tree) -> None:
    tree.group("background.slice", populated=False)
    plan = planned(Heart(schema, {WAIT: 0.9}, HELPS), knowing())
    assert (plan.steps, plan.verdict.decision) == ((), "allow")
    assert "Nothing background runs, so there is nothing to set." in plan.verdict.reasons


def test_without_control_groups_of_version_2_it_says_so(
    schema: Schema, knowing: Knowing, tree: Tree
) -> None:
    (tree.root / "sys/fs/cgroup/cgroup.controllers").unlink()
    with pytest.raises(JepaError, match="version 2"):
        planned(Heart(schema, {}), knowing())


def test_a_group_in_which_nothing_runs_is_no_part_of_it(
    schema: Schema, knowing: Knowing, tree: Tree
) -> None:
    tree.group("machine.slice", populated=False)
    assert {step.target for step in planned(Heart(schema, {WAIT: 0.6}, HELPS), knowing()).steps} == {
        "background.slice"
    }
    tree.group("machine.slice")
    plan = planned(Heart(schema, {WAIT: 0.6}, HELPS), knowing())
    assert {step.target for step in plan.steps} == {"background.slice", "machine.slice"}
    assert [step.n for step in plan.steps] == list(range(1, len(plan.steps) + 1))


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"targets": ["nobody.service"]}, "no unit 'nobody.service'"),
        ({"targets": ["web"]}, "has the role system"),
        ({"targets": ["user.slice", "background.slice"]}, "different roles"),
        ({"intent": "status"}, "Nothing is planned for the intent status"),
        ({"intent": "none"}, "Nothing is planned for the intent none"),
        ({"resource": "network"}, "Nothing is planned for network"),
        (
            {"intent": "limit", "targets": ["background.slice"], "protect": ["background.slice"]},
            "changed and protected at once",
        ),
    ],
)
def test_what_cannot_be_planned_is_refused_with_the_reason(
    schema: Schema, knowing: Knowing, spec: dict[str, Any], said: str
) -> None:
    with pytest.raises(JepaError) as refused:
        planned(Heart(schema, {WAIT: 0.9}, HELPS), knowing(), **spec)
    assert said in refused.value.problem
    assert refused.value.remedy


def test_one_unit_of_several_is_not_known_alone(schema: Schema, knowing: Knowing, tree: Tree) -> None:
    tree.group("machine.slice")
    with pytest.raises(JepaError, match="alone is not known"):
        planned(Heart(schema, {}), knowing(), intent="limit", targets=["background.slice"])


def test_a_persons_own_units_are_out_of_reach(schema: Schema, knowing: Knowing, tree: Tree) -> None:
    tree.group("user.slice/user-1000.slice/user@1000.service/background.slice")
    tree.roles('[[role]]\nrole = "background"\ncgroups = ["user.slice/*/*/background.slice"]\n')
    plan = planned(Heart(schema, {WAIT: 0.9}, HELPS), knowing())
    assert not plan.steps
    assert any("out of reach" in reason for reason in plan.verdict.reasons)


def test_a_service_in_the_foreground_may_be_given_more(schema: Schema, knowing: Knowing, tree: Tree) -> None:
    tree.group("user.slice", populated=False)
    tree.roles('[[role]]\nrole = "foreground"\ncgroups = ["system.slice/web.service"]\n')
    own = "cpu.weight.foreground"
    known = effects(0.1, own, WEIGHT)
    plan = planned(Heart(schema, {WAIT: 0.6}, {(own, WAIT): -0.9}), knowing(known), targets=["web"])
    (step,) = plan.steps
    assert (step.action, step.target, step.new) == ("cpu.weight", "web.service", 500)


def test_a_channel_that_is_not_observed_is_no_goal(schema: Schema, knowing: Knowing) -> None:
    dynamics = Heart(schema, {WAIT: 0.9}, HELPS)
    moment = moment_of(dynamics)
    moment.forecast.mean[schema.index(WAIT)] = np.nan
    with pytest.raises(JepaError, match="is not observed"):
        Planner("b").plan(TaskSpec(intent="prioritize"), moment, knowing())


def test_the_model_is_asked_once_for_each_course(schema: Schema, knowing: Knowing) -> None:
    dynamics = Heart(schema, {WAIT: 0.4}, HELPS)
    planned(dynamics, knowing())
    assert dynamics.asked == 6 * 5 * 2


def test_the_hash_changes_with_any_field(schema: Schema, knowing: Knowing) -> None:
    content = planned(Heart(schema, {WAIT: 0.4}, HELPS), knowing()).as_dict()
    assert content["hash"] == plan_hash(json.loads(json.dumps(content)))
    assert content["id"] == content["hash"][:12]

    def leaves(node: Any, path: tuple[Any, ...] = ()) -> Any:
        if isinstance(node, dict | list):
            for key, value in node.items() if isinstance(node, dict) else enumerate(node):
                yield from leaves(value, (*path, key))
        else:
            yield path

    changed = 0
    for path in leaves(content):
        if path[0] in ("id", "hash"):
            continue
        other = json.loads(json.dumps(content))
        node = other
        for key in path[:-1]:
            node = node[key]
        node[path[-1]] = "other"
        assert plan_hash(other) != content["hash"], path
        changed += 1
    assert changed > 20


def test_the_json_has_the_names_of_the_contract(schema: Schema, knowing: Knowing) -> None:
    content = planned(Heart(schema, {WAIT: 0.4}, HELPS), knowing()).as_dict()
    assert {"id", "hash", "boot_id", "made", "expires", "spec", "steps", "imagined", "verdict"} <= set(
        content
    )
    assert {"n", "action", "target", "from", "to", "inverse", "tier", "reversible"} == set(
        content["steps"][0]
    )
    assert {"horizon_s", "channels", "energy"} <= set(content["imagined"])
    assert {"with", "without", "gain", "gain_lower", "released"} == set(content["imagined"]["energy"])
    assert {"with", "without"} == set(content["imagined"]["channels"][WAIT])
    assert {"decision", "reasons"} == set(content["verdict"])


def test_the_same_moment_gives_the_same_plan(schema: Schema, knowing: Knowing) -> None:
    dynamics = Heart(schema, {WAIT: 0.5}, HELPS)
    moment = moment_of(dynamics)
    plans = [
        Planner("b", wall_ns=lambda: 7, since_boot_s=lambda: 9.0).plan(
            TaskSpec(intent="prioritize"), moment, knowing()
        )
        for _ in range(2)
    ]
    assert plans[0] == plans[1]


def test_the_search_begins_with_the_course_of_the_last_plan_for_the_same_spec(
    schema: Schema, knowing: Knowing
) -> None:
    begun: list[list[int]] = []
    found: list[list[int]] = []

    class Told:
        def __init__(self, options: Sequence[int]) -> None:
            self._solver = solver_for(options)

        def solve(self, costable: Costable, options: Sequence[int], warm: IntArray) -> IntArray:
            best = self._solver.solve(costable, options, warm)
            begun.extend(warm.tolist())
            found.append(best.tolist())
            return best

    planner, moment = Planner("b00t", solver=Told), moment_of(Heart(schema, {WAIT: 0.6}, HELPS))
    for spec in ({}, {}, {"resource": "cpu"}):
        planner.plan(TaskSpec.model_validate({"intent": "prioritize", **spec}), moment, knowing())
    nothing = [0] * len(found[0])
    assert found[0] != nothing
    assert begun == [nothing, found[0], nothing]


def test_order_of_settings_does_not_matter(schema: Schema, knowing: Knowing) -> None:
    """Whichever of the settings comes first in the search, the plan is as good."""
    from jepa.planning.courses import CourseSpace
    from jepa.planning.energy import AtMost, Energy
    from jepa.planning.goals import compile_goal
    from jepa.planning.planner import _Courses, _View
    from jepa.planning.solvers import ExhaustiveSolver

    dynamics = Heart(schema, {WAIT: 0.5}, HELPS)
    known = knowing()
    goal = compile_goal(TaskSpec(intent="prioritize"), known)
    moment = moment_of(dynamics)
    view = _View(moment, known.effects)
    energy = Energy((AtMost(WAIT, 0.2),))
    present = np.zeros(len(moment.controls), np.float32)
    best = set()
    for order in itertools.permutations(goal.settings):
        space = CourseSpace(order, moment.controls, present, 6)
        courses = _Courses(space, view, energy, surely=False, together=1.0)
        found = ExhaustiveSolver().solve(courses, space.options, np.zeros((0, 3), np.intp))
        best.add(
            frozenset(
                (each.control, each.options[at].value) for each, at in zip(order, found, strict=True) if at
            )
        )
    assert len(best) == 1


def test_what_is_foreseen_of_one_change_is_what_the_graph_imagines_and_the_forecast_says(
    schema: Schema, knowing: Knowing
) -> None:
    plan = planned(Heart(schema, {WAIT: 0.48}, HELPS), knowing(), 0.05)
    assert len(plan.steps) == 1 and plan.foreseen
    assert {each.horizon_s for each in plan.foreseen} <= {5, 15, 30}
    seen = next(each for each in plan.foreseen if (each.channel, each.horizon_s) == (WAIT, 15))
    assert (seen.setting, seen.up) == (WEIGHT, False)
    assert seen.imagined == pytest.approx(-0.4, abs=0.02), "as imagined, before any trust in it"
    assert seen.without == pytest.approx(0.48, abs=0.01) and seen.noise > 0
    quiet = planned(Heart(schema, {WAIT: 0.0}, HELPS), knowing())
    assert quiet.steps == () and quiet.foreseen == ()
