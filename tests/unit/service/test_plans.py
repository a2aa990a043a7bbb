# SPDX-License-Identifier: Apache-2.0
"""A plan is made of the real model, a fresh and ordinary moment, and who runs here; else it is refused."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from jepa.actions.catalogue import action_type
from jepa.errors import JepaError
from jepa.packs.pack import Pack
from jepa.planning.plan import plan_hash
from jepa.service import api_records
from jepa.service.actuator_view import ActuatorView
from jepa.service.learning import Learning
from jepa.service.openapi import document
from jepa.service.plans import LEAST_CONTEXT, Plans
from jepa.service.predictor import Loaded, Predictor
from jepa.service.ring import Entry, Ring
from jepa.service.routes import ROUTES
from jepa.service.task_ends import TaskPlanning
from jepa.tasks.task import Task
from jepa.telemetry.frame import Frame
from jepa.telemetry.recording import Recording, load_recording
from jepa.world.controls import host_of
from jepa.world.forecast import SCALE_FRAMES, Surprise
from jepa.world.model import WorldModel
from tests.unit.planning.conftest import Tree

PRIORITIZE = json.dumps({"intent": "prioritize"}).encode()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    tree = Tree(tmp_path)
    tree.mount()
    tree.group("user.slice")
    tree.group("background.slice")
    boot = tmp_path / "proc/sys/kernel/random/boot_id"
    boot.parent.mkdir(parents=True)
    boot.write_text("0b00-7\n")
    return tmp_path


@pytest.fixture(scope="module")
def contended(pack: Pack) -> Recording:
    """Programs of both roles that want the same CPU."""
    return load_recording(pack.folder / "heldout/eh4-cpu.untouched", pack.schema)


class Watched:
    """The real predictor and ring, after some frames of a recording."""

    def __init__(self, pack: Pack, recording: Recording, count: int) -> None:
        model = WorldModel.load(pack, pack.schema, host_of(recording.meta))
        self.predictor = Predictor(lambda: Loaded(pack.title, model))
        self.ring = Ring()
        self.predictor.start(lambda _: [])
        self.predictor._loading.join()
        for number, values in enumerate(recording.values[:count]):
            frame = Frame(number * 1_000_000_000, values, ~np.isnan(values))
            tick = self.predictor.tick(number, frame, self.ring.contiguous)
            self.ring.append(Entry(number, frame, tick))

    def plans(self, root: Path, age_s: float = 0.5, **how: Any) -> Plans:
        now_ns = self.ring.newest(1)[0].frame.ts_ns + int(age_s * 1e9)
        return Plans(self.predictor, self.ring, ActuatorView(root), 1.0, root, wall_ns=lambda: now_ns, **how)


@pytest.fixture
def watch(pack: Pack, contended: Recording) -> Iterator[Callable[..., Watched]]:
    made: list[Watched] = []

    def make(count: int = 60) -> Watched:
        made.append(Watched(pack, contended, count))
        return made[-1]

    yield make
    for each in made:
        each.predictor.close()


def test_the_shipped_pack_plans(root: Path, watch: Callable[..., Watched]) -> None:
    plan = watch().plans(root).make(PRIORITIZE)
    assert plan["pack"].startswith("machine ")
    assert plan["boot_id"] == "0b007"
    assert plan["hash"] == plan_hash(json.loads(json.dumps(plan)))
    assert plan["expires"] - plan["made"] == 60_000_000_000
    waits = plan["imagined"]["channels"]["system.role.foreground.pressure.cpu"]
    assert all(low <= middle <= high for low, middle, high in waits.values())
    energy = plan["imagined"]["energy"]
    free = all(action_type(step["action"]).conserving for step in plan["steps"])
    assert not plan["steps"] or (energy["gain"] > 0 and (free or energy["gain_lower"] > 0))
    assert all(step["target"] == "background.slice" for step in plan["steps"])


def test_the_plan_is_as_the_openapi_document_describes_it(root: Path, watch: Callable[..., Watched]) -> None:
    plan = watch().plans(root).make(PRIORITIZE)
    schemas = document(ROUTES)["components"]["schemas"]
    TypeAdapter(api_records.PlanOut).validate_python(plan)
    assert set(plan) == set(schemas["PlanOut"]["properties"])
    assert set(plan["imagined"]) == set(schemas["PlanImagined"]["properties"])
    assert set(plan["imagined"]["energy"]) == set(schemas["PlanEnergy"]["properties"])
    for window in plan["imagined"]["channels"].values():
        assert set(window) == set(schemas["PlanWindow"]["properties"]) == {"with", "without"}
    for step in plan["steps"]:
        assert set(step) == set(schemas["PlanStep"]["properties"])
    assert plan["steps"], "the foreground waits in this trial"


def test_a_plan_is_in_haste_while_nothing_is_in_force(root: Path, watch: Callable[..., Watched]) -> None:
    hurried: list[str] = []

    @contextmanager
    def in_haste() -> Iterator[None]:
        hurried.append("begun")
        yield
        hurried.append("ended")

    plans = watch().plans(root, in_haste=in_haste)
    plans.plan(PRIORITIZE, measured=[{"system.role.foreground.pressure.cpu": (1.0, 30.0)}])
    assert hurried == []
    plans.plan(PRIORITIZE)
    assert hurried == ["begun", "ended"]


def refusal(plans: Plans, spec: bytes = PRIORITIZE) -> JepaError:
    with pytest.raises(JepaError) as refused:
        plans.make(spec)
    assert refused.value.remedy
    return refused.value


def test_an_old_frame_is_no_base_for_a_plan(root: Path, watch: Callable[..., Watched]) -> None:
    error = refusal(watch(40).plans(root, age_s=30))
    assert (error.status, "30 s old" in error.problem) == (503, True)


def test_a_model_that_has_seen_little_makes_no_plan(root: Path, watch: Callable[..., Watched]) -> None:
    error = refusal(watch(LEAST_CONTEXT - 2).plans(root))
    assert (error.status, error.remedy) == (503, "Ask again in 2 s.")


def test_a_machine_that_surprises_is_left_alone(root: Path, watch: Callable[..., Watched]) -> None:
    watched = watch(40)
    last = watched.ring.newest(1)[0]
    assert last.tick is not None
    strange = Surprise(9.0, 9.0, 9.0, probability=0.9999, channels=(), frames=SCALE_FRAMES)
    watched.ring.append(replace(last, sequence=40, tick=replace(last.tick, surprise=strange)))
    error = refusal(watched.plans(root))
    assert (error.status, "surprises the model" in error.problem) == (503, True)


def test_without_a_model_there_is_no_plan(root: Path) -> None:
    plans = Plans(Predictor(None), Ring(), ActuatorView(root), 1.0, root)
    error = refusal(plans)
    assert (error.status, error.problem) == (503, "No pack is in use.")
    assert refusal(plans, b"{}").status == 422, "what is malformed is said first"


def test_a_pack_that_knows_no_effects_plans_nothing(root: Path, pack: Pack, contended: Recording) -> None:
    watched = Watched(replace(pack, effects=None), contended, 40)
    assert "how far its imagined effects" in refusal(watched.plans(root)).problem
    watched.predictor.close()


def test_a_plan_and_its_goal_are_kept_until_it_expires(
    root: Path, watch: Callable[..., Watched], pack: Pack
) -> None:
    watched, now_s = watch(), [5000.0]
    wall_ns = watched.ring.newest(1)[0].frame.ts_ns
    plans = Plans(
        watched.predictor,
        watched.ring,
        ActuatorView(root),
        1.0,
        root,
        wall_ns=lambda: wall_ns,
        since_boot_s=lambda: now_s[0],
    )
    plan = plans.make(PRIORITIZE)
    assert plans.get(plan["id"]) == plan
    goal = plans.goal(plan["id"])
    assert goal is not None and goal.channels == ("system.role.foreground.pressure.cpu",)
    learning = Learning(None, pack.schema, watched.ring, frozenset)
    planning = TaskPlanning(plans, watched.ring, pack.schema, learning)
    task = Task("t1", {}, "", 0, 0)
    assert planning.observed(task, 3.0) is None
    planning.begin_with(task, goal)
    assert planning.observed(task, 3.0) is not None
    now_s[0] += 61
    with pytest.raises(JepaError, match="no plan") as gone:
        plans.get(plan["id"])
    with pytest.raises(JepaError, match="no plan"):
        plans.goal(plan["id"])
    assert gone.value.status == 404
