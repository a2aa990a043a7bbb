# SPDX-License-Identifier: Apache-2.0
"""A state that was captured is reached where known effects lead there, and refused elsewhere."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from jepa.errors import JepaError
from jepa.planning.captured import Captured, capture, check_name
from jepa.planning.goals import Knowledge
from jepa.planning.plan import Plan
from jepa.planning.planner import Planner
from jepa.tasks.spec import TaskSpec
from jepa.telemetry.frame import Frame
from jepa.telemetry.schema import Schema
from jepa.world.forecast import Surprise, Tick
from tests.unit.planning.conftest import BUSY, WAIT, Heart, forecast_of, moment_of

Knowing = Callable[..., Knowledge]
FROZEN = (1.0, 0.0, 0.0, 0.0)
"""The latent that ``Heart`` imagines where the background is frozen; else it is all 0."""


def state(latent: tuple[float, ...] = FROZEN, error: float = 0.05, **fields: Any) -> Captured:
    made = Captured(
        "calm",
        0,
        0,
        30,
        30,
        "machine 0.0.1",
        "d1",
        latent,
        0.01,
        error,
        {WAIT: (1.0, 0.5), BUSY: (0.0, 0.0)},
    )
    return replace(made, **fields)


def planned(schema: Schema, known: Knowledge, captured: Captured | None, **spec: Any) -> Plan:
    kept = {} if captured is None else {captured.name: captured}
    wanted = TaskSpec.model_validate({"intent": "goal_reach", "goal": "calm", **spec})
    known = replace(known, schema="d1", captured=kept)
    return Planner("b00t").plan(wanted, moment_of(Heart(schema, {WAIT: 0.4, BUSY: 0.9})), known)


def test_a_state_is_reached_by_what_is_known_to_lead_there(schema: Schema, knowing: Knowing) -> None:
    plan = planned(schema, knowing(), state())
    (step,) = plan.steps
    assert (step.action, step.target) == ("unit.freeze", "background.slice")
    assert plan.verdict.decision == "ask"
    assert plan.energy.without == pytest.approx(0.25)
    assert plan.energy.gain >= plan.energy.lower > 0


def test_a_state_that_is_there_needs_nothing(schema: Schema, knowing: Knowing) -> None:
    plan = planned(schema, knowing(), state((0.1, 0.0, 0.0, 0.0)))
    assert (plan.steps, plan.verdict.decision) == ((), "allow")
    assert "in the state calm already" in plan.verdict.reasons[0]


def test_one_that_cannot_be_reached_is_refused_with_what_differs(schema: Schema, knowing: Knowing) -> None:
    plan = planned(schema, knowing(), state((0.0, 0.0, 3.0, 0.0)))
    assert (plan.steps, plan.verdict.decision) == ((), "deny")
    assert "calm cannot be reached" in plan.verdict.reasons[0]
    assert f"differs from calm most in {BUSY} (" in plan.verdict.reasons[1]


def test_a_gain_within_the_models_own_error_is_none(schema: Schema, knowing: Knowing) -> None:
    assert planned(schema, knowing(), state(error=0.3)).verdict.decision == "deny"


@pytest.mark.parametrize(
    ("captured", "spec", "status", "said"),
    [
        (None, {}, 404, "no goal 'calm'"),
        (state(pack="machine 0.0.2"), {}, 409, "captured with the pack machine 0.0.2"),
        (state(schema="d2"), {}, 409, "other channels"),
        (state(), {"goal": None}, 422, "which state"),
        (state(), {"targets": ["background"]}, 422, "whole machine"),
        (state(), {"intent": "prioritize"}, 409, "two goals"),
        (state(), {"intent": "goal_capture"}, 409, "no plan"),
    ],
)
def test_what_cannot_be_a_goal_is_refused_in_one_sentence(
    schema: Schema, knowing: Knowing, captured: Captured | None, spec: dict[str, Any], status: int, said: str
) -> None:
    with pytest.raises(JepaError, match=said) as refused:
        planned(schema, knowing(), captured, **spec)
    assert (refused.value.status, bool(refused.value.remedy)) == (status, True)


def test_what_is_protected_is_left_alone(schema: Schema, knowing: Knowing) -> None:
    plan = planned(schema, knowing(), state(), protect=["background"])
    assert (plan.steps, plan.verdict.decision) == ((), "deny")


def seen(schema: Schema, latents: np.ndarray) -> list[tuple[Frame, Tick]]:
    values = np.full(len(schema.channels), 0.5, np.float32)
    values[0] = np.nan
    surprise = Surprise(0.4, 0, 0, 0.5, (), 10)
    forecast = forecast_of(schema, {})
    return [
        (Frame(at, values, ~np.isnan(values)), Tick(forecast, surprise, at, 1.0, latent=latent))
        for at, latent in enumerate(latents.astype(np.float32))
    ]


def test_a_state_is_the_mean_with_its_spread(schema: Schema) -> None:
    latents = np.tile([[0.0, 2.0], [2.0, 2.0]], (10, 1))
    made = capture("calm", 7, 30, ("p 1", "d"), schema.names, seen(schema, latents))
    assert (made.latent, made.spread, made.error, made.frames) == ((1.0, 2.0), 0.5, pytest.approx(0.4), 20)
    assert schema.names[0] not in made.channels
    assert made.channels[schema.names[1]] == (0.5, 0.0)
    assert Captured.from_row(made.as_row()) == made


def test_too_little_is_no_state(schema: Schema) -> None:
    with pytest.raises(JepaError, match="has seen 10 frames of the last 30 s"):
        capture("calm", 7, 30, ("p 1", "d"), schema.names, seen(schema, np.zeros((10, 2))))


@pytest.mark.parametrize("name", ["", "Calm", "a b", "../x", "x" * 49, "a\n", "ä"])
def test_a_name_is_plain(name: str) -> None:
    with pytest.raises(JepaError):
        check_name(name)
