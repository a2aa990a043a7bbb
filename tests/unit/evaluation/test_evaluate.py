# SPDX-License-Identifier: Apache-2.0
"""An evaluation never peeks, and gives the figures under the names of the contract."""

import dataclasses
import json
from collections.abc import Sequence

import numpy as np
import pytest

from jepa.errors import JepaError
from jepa.evaluation.evaluate import evaluate, evaluate_all
from jepa.evaluation.replay import BASELINES, changes, replay
from jepa.evaluation.report import Evaluation, to_file_text
from jepa.evaluation.scoring import Replayed
from jepa.packs.pack import Pack
from jepa.telemetry.recording import Action, Recording
from jepa.world.windows import coming

CONTRACT = (
    *("banded_accuracy", "banded_accuracy_lower", "ceiling", "gap_closed", "gap_closed_lower"),
    *("hard_recovery", "hard_recovery_lower", "mae_skill_5_30s", "crps_skill_5_30s", "coverage_90"),
)


@pytest.fixture(scope="module")
def recording(recording: Recording) -> Recording:
    """Its beginning: a minute before the first window that is judged, and a minute after the last one."""
    return dataclasses.replace(recording, ts_ns=recording.ts_ns[:160], values=recording.values[:160])


@pytest.fixture(scope="module")
def replayed(pack: Pack, recording: Recording) -> Replayed:
    """What was forecast at each frame of it."""
    return replay(recording, pack)


@pytest.fixture(scope="module")
def alone(pack: Pack, recording: Recording) -> Evaluation:
    """The recording judged by itself."""
    return evaluate(recording, pack)


def test_changing_the_future_changes_no_forecast(
    pack: Pack, recording: Recording, replayed: Replayed
) -> None:
    now = 100
    values = recording.values.copy()
    values[now:] = np.nan_to_num(values[now:]) * 0.5 + 1
    changed = replay(dataclasses.replace(recording, values=values), pack)
    np.testing.assert_array_equal(changed.quantiles[:now], replayed.quantiles[:now])
    for name in BASELINES:
        np.testing.assert_array_equal(changed.points[name][:now], replayed.points[name][:now])
    assert not np.array_equal(changed.quantiles[now:], replayed.quantiles[now:], equal_nan=True)


def test_recordings_with_actions_stand_apart(pack: Pack, recording: Recording, alone: Evaluation) -> None:
    action = Action(int(recording.ts_ns[100]), "pause", {"role": "background", "value": 1})
    acted = dataclasses.replace(recording, actions=(action,), values=recording.values * 0.5)
    together = evaluate_all([recording, acted], pack)
    assert together.figures == alone.figures
    assert together.moving == alone.moving
    assert set(together.kinds) == {"busy", "acting", "steady", "changing"}
    assert together.kinds["busy"] == together.figures
    assert "acting ones stand apart" in together.to_text()
    assert "stand apart" not in alone.to_text()
    parts = [together.kinds[each].windows for each in ("steady", "changing")]
    assert min(parts) > 0
    assert sum(parts) == together.figures.windows


def test_windows_change_when_a_program_or_an_action_begins_in_them(recording: Recording) -> None:
    schedule = [{"start_s": 0.0, "seconds": 50.0}, {"start_s": 100.0, "seconds": 20.0}]
    meta = dataclasses.replace(recording.meta, labels={"schedule": schedule})
    acted = Action(int(recording.ts_ns[0]) + 140_000_000_000, "pause", {"role": "background", "value": 1})
    mask = changes(dataclasses.replace(recording, meta=meta, actions=(acted,)), (5,))
    assert mask is not None
    for at in (50, 100, 120, 140):
        assert mask[at - 4 : at, 0].all()
        assert not mask[at - 8, 0]
        assert not mask[at + 3, 0]
    bare = dataclasses.replace(recording, meta=dataclasses.replace(recording.meta, labels={}))
    assert changes(bare, (5,)) is None


def test_the_target_is_the_window_that_follows(pack: Pack, recording: Recording, replayed: Replayed) -> None:
    truth = replayed.truth
    now, horizon = 80, 15
    column = pack.manifest.shape.horizons_s.index(horizon)
    window = recording.values[now + 1 : now + horizon + 1, 0].astype(float)
    np.testing.assert_allclose(truth[now, 0, column, 0], window.mean(), rtol=1e-5)
    np.testing.assert_allclose(truth[now, 0, column, 1], np.quantile(window, 0.9), rtol=1e-4)


def test_the_contracts_names_are_there_and_absences_have_a_reason(alone: Evaluation) -> None:
    content = json.loads(to_file_text(alone))
    assert content["ceiling"] is None
    for name in CONTRACT:
        assert name in content
        assert content[name] is not None or content["absent"][name]
    assert set(content["baselines"]) == set(BASELINES)
    assert 0 < content["banded_accuracy_lower"] <= content["banded_accuracy"] <= 1
    assert content[content["recordings"][0]["kind"]]["coverage_90"] == content["coverage_90"]
    cell = content["channels"]["system.cpu.utilization"]["15"]["p90"]
    assert {"model", *BASELINES, "coverage_90"} == set(cell)
    text = alone.to_text()
    assert "banded accuracy" in text
    assert alone.moving[0] in text


def test_a_recording_that_is_its_own_twin_has_the_whole_as_its_ceiling(
    pack: Pack, recording: Recording
) -> None:
    evaluation = evaluate(recording, pack, twin=recording)
    assert evaluation.figures.ceiling == 1.0
    assert evaluation.figures.hard_recovery == evaluation.figures.missed_recovery
    assert "ceiling" not in evaluation.absent


def test_a_twin_that_started_later_is_laid_beside_by_time_since_its_start(
    pack: Pack, recording: Recording
) -> None:
    hour = 3600 * 1_000_000_000
    late = dataclasses.replace(recording, ts_ns=recording.ts_ns[20:] + hour, values=recording.values[20:])
    beside = replay(recording, pack, late).twin
    assert beside is not None
    np.testing.assert_array_equal(beside[0, :, 0, 0], recording.values[21])
    assert np.isnan(beside[-20:]).all()


def test_a_peer_is_judged_as_the_baselines_are(pack: Pack, recording: Recording) -> None:
    class Oracle:
        def points(self, recording: Recording, horizons: Sequence[int]) -> np.ndarray:
            return coming(recording.values, horizons)[0]

    evaluation = evaluate_all([recording], pack, peers={"oracle": Oracle()})
    assert evaluation.figures.baselines["oracle"]["banded_accuracy"] == 1.0
    assert evaluation.figures.baselines["oracle"]["mae_skill_5_30s"] == 0.0


def test_two_recordings_are_judged_apart(pack: Pack, recording: Recording, alone: Evaluation) -> None:
    twice = evaluate_all([recording, recording], pack)
    assert twice.figures.windows == 2 * alone.figures.windows
    assert twice.figures.banded_accuracy == pytest.approx(alone.figures.banded_accuracy)


def test_a_recording_too_short_to_judge_is_refused(pack: Pack, recording: Recording) -> None:
    short = dataclasses.replace(recording, ts_ns=recording.ts_ns[:40], values=recording.values[:40])
    with pytest.raises(JepaError, match="too short"):
        evaluate(short, pack)
