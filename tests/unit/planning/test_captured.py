# SPDX-License-Identifier: Apache-2.0
"""A state that was captured is reached where known effects lead there, and refused elsewhere."""

import re
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
from tests.unit.planning.conftest import (
    BUSY,
    PAUSE,
    QUOTA,
    WAIT,
    WEIGHT,
    Heart,
    effects,
    forecast_of,
    moment_of,
)

Knowing = Callable[..., Knowledge]
BASE = {WAIT: 0.4, BUSY: 0.9}
HELPS = {(PAUSE, WAIT): -0.35, (PAUSE, BUSY): -0.9}


def own(schema: Schema, unit: dict[str, float]) -> dict[str, tuple[float, float]]:
    """Mean and deviation of channels that are ``unit`` on the unit scale, in their own."""
    mean = forecast_of(schema, unit).mean
    return {name: (float(mean[schema.index(name), 0, 2]), 0.5) for name in unit}


def state(schema_: Schema, unit: dict[str, float] | None = None, **fields: Any) -> Captured:
    """A state whose latent is what ``Heart`` imagines where nothing is done."""
    channels = own(schema_, unit or {WAIT: 0.05, BUSY: 0.0})
    made = Captured("calm", 0, 0, 30, 30, "machine 0.0.1", "d1", (0.0,) * 4, 0.01, 0.4, channels)
    return replace(made, **fields)


def planned(
    schema: Schema,
    known: Knowledge,
    captured: Captured | None,
    helps: dict[tuple[str, str], float] | None = None,
    **spec: Any,
) -> Plan:
    kept = {} if captured is None else {captured.name: captured}
    wanted = TaskSpec.model_validate({"intent": "goal_reach", "goal": "calm", **spec})
    known = replace(known, schema="d1", captured=kept)
    dynamics = Heart(schema, BASE, HELPS if helps is None else helps)
    return Planner("b00t").plan(wanted, moment_of(dynamics), known)


def test_a_state_is_reached_by_what_is_known_to_lead_there(schema: Schema, knowing: Knowing) -> None:
    plan = planned(schema, knowing(), state(schema, latent=(1.0, 0.0, 0.0, 0.0)))
    (step,) = plan.steps
    assert (step.action, step.target) == ("unit.freeze", "background.slice")
    assert plan.verdict.decision == "ask"
    assert plan.energy.without == pytest.approx(1.25, abs=0.05)
    assert plan.energy.gain >= plan.energy.lower > 0
    assert not any("not all the way" in reason for reason in plan.verdict.reasons) or plan.energy.taken > 0.1


def test_a_state_that_is_there_needs_nothing(schema: Schema, knowing: Knowing) -> None:
    plan = planned(schema, knowing(), state(schema, BASE))
    assert (plan.steps, plan.verdict.decision) == ((), "allow")
    assert "in the state calm already" in plan.verdict.reasons[0]


def test_one_that_cannot_be_reached_is_refused_with_what_differs(schema: Schema, knowing: Knowing) -> None:
    louder = state(schema, {WAIT: 0.9, BUSY: 0.9}, latent=(0.0, 0.0, 3.0, 0.0))
    plan = planned(schema, knowing(), louder)
    assert (plan.steps, plan.verdict.decision) == ((), "deny")
    assert "calm cannot be reached" in plan.verdict.reasons[0]
    assert f"differs from calm most in {WAIT} (" in plan.verdict.reasons[1]
    assert "2.25 away, where 0.01" in plan.verdict.reasons[2]


def test_a_latent_far_away_is_another_state_though_the_channels_are_the_same(
    schema: Schema, knowing: Knowing
) -> None:
    plan = planned(schema, knowing(), state(schema, BASE, latent=(0.0, 0.0, 3.0, 0.0)))
    assert (plan.steps, plan.verdict.decision) == ((), "deny")


def test_an_effect_as_uncertain_as_it_is_large_leads_nowhere(schema: Schema, knowing: Knowing) -> None:
    unsure = effects(1.5, WEIGHT, QUOTA, PAUSE)
    quieter = state(schema, {WAIT: 0.05, BUSY: 0.9})
    helps = {(WEIGHT, WAIT): -0.4}
    refused = planned(schema, knowing(unsure), quieter, helps).verdict
    assert refused.decision == "deny"
    assert re.search(r"would gain 0\.\d+ as expected, within its own uncertainty", refused.reasons[1])
    assert planned(schema, knowing(), quieter, helps).verdict.decision == "ask"


@pytest.mark.parametrize(
    ("captured", "spec", "status", "said"),
    [
        (None, {}, 404, "no goal 'calm'"),
        ({"pack": "machine 0.0.2"}, {}, 409, "captured with the pack machine 0.0.2"),
        ({"schema": "d2"}, {}, 409, "other channels"),
        ({}, {"goal": None}, 422, "which state"),
        ({}, {"targets": ["background"]}, 422, "whole machine"),
        ({}, {"intent": "prioritize"}, 409, "two goals"),
        ({}, {"intent": "goal_capture"}, 409, "no plan"),
    ],
)
def test_what_cannot_be_a_goal_is_refused_in_one_sentence(
    schema: Schema,
    knowing: Knowing,
    captured: dict[str, Any] | None,
    spec: dict[str, Any],
    status: int,
    said: str,
) -> None:
    with pytest.raises(JepaError, match=said) as refused:
        planned(schema, knowing(), None if captured is None else state(schema, None, **captured), **spec)
    assert (refused.value.status, bool(refused.value.remedy)) == (status, True)


def test_what_is_protected_is_left_alone(schema: Schema, knowing: Knowing) -> None:
    plan = planned(schema, knowing(), state(schema), protect=["background"])
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
