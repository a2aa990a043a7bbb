# SPDX-License-Identifier: Apache-2.0
"""Real effects are told from chance, and imagined ones are held against them."""

import dataclasses

import numpy as np
import pytest

from jepa.packs.pack import Pack
from jepa.telemetry.recording import Action, Recording
from jepa.telemetry.schema import Schema
from jepa.world.effects import Effects, Experiment, judge_effects, real_effects

PAUSED, RESUMED = 40, 62
CPU = "system.role.background.cpu"


def experiment(recording: Recording, schema: Schema) -> Experiment:
    """Background work that takes 60 % of the CPU, and nothing while it is paused."""
    rng = np.random.default_rng(4)
    frames = 90
    begun = int(recording.ts_ns[0])
    actions = tuple(
        Action(begun + at * 1_000_000_000 - 1, "pause", {"role": "background", "value": value})
        for at, value in ((PAUSED, 1), (RESUMED, 0))
    )

    def run(paused: bool) -> Recording:
        values = recording.values[:frames].copy()
        values[:, schema.index(CPU)] = 60 + rng.normal(0, 2, frames)
        values[:, schema.index("system.role.foreground.cpu")] = 20 + rng.normal(0, 2, frames)
        if paused:
            values[PAUSED + 1 : RESUMED + 1, schema.index(CPU)] = 0
        ts_ns = begun + np.arange(frames) * 1_000_000_000
        return dataclasses.replace(recording, values=values, ts_ns=ts_ns, actions=actions if paused else ())

    return Experiment(run(True), run(True), run(False))


def test_an_effect_is_what_two_runs_with_actions_share_and_one_without_lacks(
    recording: Recording, schema: Schema
) -> None:
    effects = real_effects(experiment(recording, schema), 0)
    told = effects[..., schema.index(CPU), 1]  # the windows of 15 s
    assert np.isfinite(told[PAUSED : RESUMED - 15]).all()
    assert (told[PAUSED : RESUMED - 15] < -0.5).all()
    assert np.isnan(told[:PAUSED]).all(), "nothing is set yet"
    assert np.isnan(told[RESUMED:]).all(), "nothing is set any more"
    other = effects[..., schema.index("system.role.foreground.cpu"), 1]
    assert np.isfinite(other).mean() < 0.1, "chance"


@pytest.fixture(scope="module")
def judged(pack: Pack, recording: Recording, schema: Schema) -> Effects:
    found = judge_effects([experiment(recording, schema)], pack)
    assert found is not None
    return found


def test_the_shipped_pack_knows_that_what_is_paused_does_not_work(judged: Effects) -> None:
    assert judged.channels[CPU]["sign_right"] > 0.9


def test_without_experiments_there_is_nothing_to_judge(pack: Pack) -> None:
    assert judge_effects([], pack) is None
