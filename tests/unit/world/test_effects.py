# SPDX-License-Identifier: Apache-2.0
"""Real effects are told from chance, and imagined ones are held against them."""

import dataclasses

import numpy as np
import pytest

from jepa.packs.pack import Pack
from jepa.telemetry.recording import Action, Recording
from jepa.telemetry.schema import Schema
from jepa.world import effects
from jepa.world.effects import Experiment, judge_effects, real_effects

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
    real = real_effects(experiment(recording, schema), 0)
    told = real[..., schema.index(CPU), 1]  # the windows of 15 s
    assert np.isfinite(told[PAUSED : RESUMED - 15]).all()
    assert (told[PAUSED : RESUMED - 15] < -0.5).all()
    assert np.isnan(told[:PAUSED]).all(), "nothing is set yet"
    assert np.isnan(told[RESUMED:]).all(), "nothing is set any more"
    other = real[..., schema.index("system.role.foreground.cpu"), 1]
    assert np.isfinite(other).mean() < 0.1, "chance"


def test_who_imagines_the_truth_is_always_right_and_who_imagines_its_opposite_never(
    pack: Pack, recording: Recording, schema: Schema, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = experiment(recording, schema)
    truth = np.nan_to_num(real_effects(real, 0))
    monkeypatch.setattr(effects, "imagined_effects", lambda *_: (truth, -truth))
    judged = judge_effects([real], pack)
    assert judged is not None
    assert (judged.sign_right, judged.sign_right_lower, judged.shuffled) == (1, 1, 0)
    assert judged.windows > 0
    assert judged.channels[CPU]["sign_right"] == 1


def test_what_is_imagined_is_the_difference_that_the_settings_make(
    pack: Pack, recording: Recording, schema: Schema
) -> None:
    acted = experiment(recording, schema).acted
    told, shuffled = effects.imagined_effects(acted, pack, np.random.default_rng(1))
    assert told.shape == shuffled.shape == (len(acted.values), len(schema.names), 3)
    assert not told[:PAUSED].any(), "nothing is set yet"
    assert np.abs(told[PAUSED : RESUMED - 1]).max() > 0
    assert not told[RESUMED:].any()


def test_without_experiments_there_is_nothing_to_judge(pack: Pack) -> None:
    assert judge_effects([], pack) is None
