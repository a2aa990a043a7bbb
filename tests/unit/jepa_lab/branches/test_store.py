# SPDX-License-Identifier: Apache-2.0
"""Moments are kept whole, and read as they were recorded."""

import json
from pathlib import Path

import numpy as np
import pytest

from jepa.errors import JepaError
from jepa.telemetry.schema import Schema, load_schema
from jepa_lab.branches import store
from jepa_lab.branches.effects import effects, window_means
from jepa_lab.branches.store import Branch, RecordedMoment, Stretch, load_moment, moments_in, write_moment

CHANNEL = "system.role.background.cpu"


@pytest.fixture(scope="module")
def schema() -> Schema:
    return load_schema()


def stretch(schema: Schema, level: float, frames: int, begin: int = 0) -> Stretch:
    values = np.full((frames, len(schema.names)), np.nan, np.float32)
    values[:, schema.index(CHANNEL)] = level
    return Stretch(np.arange(begin, begin + frames, dtype=np.int64) * 1_000_000_000, values)


def moment(schema: Schema, state: str = "committed") -> RecordedMoment:
    step = {"at_s": 0.0, "action": "cpu.max", "target": "background", "value": "10%"}
    return RecordedMoment(
        {"run": "t001", "moment": "m1", "split": "train"},
        stretch(schema, 60, 16),
        (
            Branch("nothing", (), (), stretch(schema, 60, 10, 16)),
            Branch("nothing-again", (), (), stretch(schema, 62, 10, 16)),
            Branch("cpu.max", (step,), ({"state": state, "ts": 1},), stretch(schema, 11, 10, 16)),
        ),
    )


def test_what_was_recorded_is_read_again(tmp_path: Path, schema: Schema) -> None:
    kept = moment(schema)
    write_moment(tmp_path / "t001/m1", kept, schema)
    read = load_moment(tmp_path / "t001/m1", schema)
    assert read.facts["run"] == "t001"
    assert read.facts["schema_digest"] == schema.digest
    np.testing.assert_array_equal(read.context.values, kept.context.values)
    for mine, yours in zip(read.branches, kept.branches, strict=True):
        assert (mine.name, mine.steps, mine.reports) == (yours.name, yours.steps, yours.reports)
        np.testing.assert_array_equal(mine.frames.ts_ns, yours.frames.ts_ns)
        np.testing.assert_array_equal(mine.frames.values, yours.frames.values)


def test_a_moment_that_was_not_finished_is_not_there_and_is_no_obstacle(
    tmp_path: Path, schema: Schema
) -> None:
    half = tmp_path / "t001/m1.tmp"
    half.mkdir(parents=True)
    (half / "frames.parquet").write_bytes(b"half")
    assert not store.there(tmp_path / "t001/m1")
    assert moments_in(tmp_path) == []
    write_moment(tmp_path / "t001/m1", moment(schema), schema)
    assert moments_in(tmp_path) == [tmp_path / "t001/m1"]
    assert not half.exists()


def test_moments_are_found_by_their_split(tmp_path: Path, schema: Schema) -> None:
    write_moment(tmp_path / "t001/m1", moment(schema), schema)
    assert moments_in(tmp_path, "train") == [tmp_path / "t001/m1"]
    assert moments_in(tmp_path, "heldout") == []


def test_what_is_no_moment_is_refused_with_what_to_do(tmp_path: Path, schema: Schema) -> None:
    with pytest.raises(JepaError, match="holds no moment"):
        load_moment(tmp_path, schema)
    write_moment(tmp_path / "t/m", moment(schema), schema)
    facts = tmp_path / "t/m/moment.json"
    facts.write_text(json.dumps({**json.loads(facts.read_text()), "schema_version": 0}))
    with pytest.raises(JepaError, match="version 0 channels"):
        load_moment(tmp_path / "t/m", schema)


def test_an_effect_is_the_difference_to_the_branches_without_beside_chance(schema: Schema) -> None:
    (found,) = effects(moment(schema), (5, 10))
    row = schema.index(CHANNEL)
    np.testing.assert_allclose(found.without[row], 61)
    np.testing.assert_allclose(found.changed[row], -50)
    np.testing.assert_allclose(found.chance[row], 2)
    assert np.isnan(found.changed[row - 1]).all()


def test_an_action_that_was_refused_has_no_effect_to_learn(schema: Schema) -> None:
    assert effects(moment(schema, "refused"), (5,)) == []


def test_a_window_holds_the_first_frames_and_passes_over_what_was_not_observed() -> None:
    values = np.array([[1, np.nan], [3, np.nan], [np.nan, 8], [9, 10]], np.float32)
    np.testing.assert_allclose(window_means(values, (2, 4)), [[2, 13 / 3], [np.nan, 9]], rtol=1e-6)
