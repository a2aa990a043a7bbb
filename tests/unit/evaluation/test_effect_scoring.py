# SPDX-License-Identifier: Apache-2.0
"""Real effects are told from chance, and imagined ones are held against them."""

import dataclasses

import numpy as np
import pytest

from jepa.evaluation import effect_scoring
from jepa.evaluation.effect_scoring import Experiment, changes_of, judge_effects, real_effects
from jepa.packs.pack import Pack
from jepa.telemetry.recording import Action, Recording
from jepa.telemetry.schema import Schema

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

    return Experiment(run(True), run(True), run(False), run(False))


def test_every_change_of_a_setting_is_found_with_what_it_changes(
    recording: Recording, schema: Schema
) -> None:
    paused, resumed = changes_of(experiment(recording, schema).acted)
    assert (paused.at, paused.kept, resumed.at) == (PAUSED - 1, RESUMED - PAUSED, RESUMED - 1)
    assert (paused.before.any(), resumed.after.any()) == (False, False)
    np.testing.assert_array_equal(paused.after, resumed.before)


def test_an_effect_is_what_two_runs_with_actions_share_and_two_without_lack(
    recording: Recording, schema: Schema
) -> None:
    each = experiment(recording, schema)
    real = real_effects(each, changes_of(each.acted))
    pausing, resuming = real.effect[:, schema.index(CPU)]
    assert (pausing[:2] < -0.4).all()
    assert np.isnan(pausing[2]), "it was not paused for half a minute"
    assert (resuming[:2] > 0.4).all()
    assert (real.deviations[:, schema.index(CPU), :2] > 5).all()
    other = schema.index("system.role.foreground.cpu")
    assert real.deviations[:, other].max() < 5, "chance"
    assert real.chance.max() < 5


def test_that_runs_lie_apart_in_all_they_do_is_no_effect(recording: Recording, schema: Schema) -> None:
    each = experiment(recording, schema)
    cached = schema.index("system.memory.cached")
    for number, run in enumerate((each.acted, each.twin, each.untouched, each.untouched_twin)):
        run.values[:, cached] = 500.0 + 300 * number
    real = real_effects(each, changes_of(each.acted))
    assert np.isnan(real.effect[:, cached]).all()
    assert np.isfinite(real.effect[:, schema.index(CPU)]).any()


def test_what_happens_in_one_run_alone_is_hardly_an_effect(recording: Recording, schema: Schema) -> None:
    each = experiment(recording, schema)
    column = schema.index("system.process.executed")
    for run in (each.acted, each.twin, each.untouched, each.untouched_twin):
        run.values[:, column] = 0
    each.untouched.values[PAUSED + 1 : PAUSED + 8, column] = 1000
    real = real_effects(each, changes_of(each.acted))
    assert real.deviations[0, column].max() < 5
    each.untouched_twin.values[PAUSED + 1 : PAUSED + 8, column] = 1000
    assert real_effects(each, changes_of(each.acted)).deviations[0, column].max() > 5


def test_who_imagines_the_truth_is_always_right_and_who_imagines_its_opposite_never(
    pack: Pack, recording: Recording, schema: Schema, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = experiment(recording, schema)
    truth = np.nan_to_num(real_effects(real, changes_of(real.acted)).effect)
    monkeypatch.setattr(effect_scoring, "imagined_effects", lambda *_: (truth, -truth[:, None]))
    judged = judge_effects([real], pack)
    assert judged is not None
    for part in (judged.beyond, judged.clear):
        assert (part.sign_right, part.sign_right_lower, part.shuffled) == (1, 1, 0)
    assert judged.clear.windows >= 4
    assert judged.clear.changes == 2
    assert judged.beyond.windows >= judged.clear.windows
    assert judged.channels[CPU]["sign_right"] == 1
    assert judged.clear.size == pytest.approx(1)
    assert judged.clear.size_shuffled == pytest.approx(-1)
    assert set(judged.settings) == {"pause.background"}
    monkeypatch.setattr(effect_scoring, "imagined_effects", lambda *_: (truth / 50, -truth[:, None]))
    faint = judge_effects([real], pack)
    assert faint is not None
    assert (faint.clear.sign_right, faint.clear.size) == (1, pytest.approx(0.02))


def test_what_is_imagined_is_the_difference_that_the_change_makes(
    pack: Pack, recording: Recording, schema: Schema
) -> None:
    acted = experiment(recording, schema).acted
    changes = changes_of(acted)
    told, shuffled = effect_scoring.imagined_effects(acted, changes, pack)
    assert told.shape == (2, len(schema.names), 3)
    assert shuffled.shape == (2, 1, len(schema.names), 3), "never a change in its own place"
    assert np.abs(told).max(axis=(1, 2)).all()
    nothing = [dataclasses.replace(change, after=change.before) for change in changes]
    told, _ = effect_scoring.imagined_effects(acted, nothing, pack)
    assert not told.any()


def test_a_change_is_held_against_every_other_one_of_its_recording(
    pack: Pack, recording: Recording, schema: Schema, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = experiment(recording, schema)
    truth = np.nan_to_num(real_effects(real, changes_of(real.acted)).effect)
    others = np.stack([truth, -truth, -truth, -truth], axis=1)
    monkeypatch.setattr(effect_scoring, "imagined_effects", lambda *_: (truth, others))
    judged = judge_effects([real], pack)
    assert judged is not None
    assert judged.clear.shuffled == pytest.approx(0.25)
    assert judged.clear.size_shuffled == pytest.approx(-0.5)
    monkeypatch.setattr(effect_scoring, "imagined_effects", lambda *_: (truth, others[:, :0]))
    alone = judge_effects([real], pack)
    assert alone is not None
    assert (alone.clear.shuffled, alone.clear.size_shuffled) == (None, None)


def test_without_experiments_there_is_nothing_to_judge(pack: Pack) -> None:
    assert judge_effects([], pack) is None
