# SPDX-License-Identifier: Apache-2.0
"""States that were captured are kept whole, within bounds, and are their maker's to remove."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from jepa.errors import JepaError
from jepa.service import goals
from jepa.service.goals import Goals
from jepa.service.predictor import Loaded, Predictor
from jepa.service.ring import Entry, Ring
from jepa.telemetry.frame import Frame
from jepa.telemetry.schema import Schema
from jepa.world.forecast import Surprise, Tick
from tests.unit.planning.conftest import forecast_of

PERSON, OTHER = 1000, 1001
Make = Callable[[], Goals]


class Model:
    """Ticks a latent that counts."""

    context_frames = context_limit = 10
    unfamiliar = False

    def __init__(self, schema: Schema) -> None:
        self.schema = schema

    def tick(self, frame: Frame) -> Tick:
        latent = np.full(4, frame.ts_ns / 1e9, np.float32)
        return Tick(forecast_of(self.schema, {}), Surprise(0.4, 0, 0, 0.5, (), 9), 9, 1.0, latent=latent)

    def replay(self, frames: object) -> None:
        pass


@pytest.fixture
def make(schema: Schema, tmp_path: Path) -> Make:
    """The goals of a jepad that has seen 40 s, over one file."""
    model = Model(schema)
    predictor, ring = Predictor(lambda: Loaded("counting 1", model)), Ring()
    predictor.start(lambda _: [])
    assert predictor._loading is not None
    predictor._loading.join()
    for at in range(40):
        values = np.full(len(schema.channels), 0.5, np.float32)
        frame = Frame(at * 1_000_000_000, values, np.ones(len(values), np.bool_))
        ring.append(Entry(at, frame, predictor.tick(at, frame, ring.contiguous)))
    return lambda: Goals(tmp_path / "goals.jsonl", schema, predictor, ring)


def test_a_state_outlives_jepad_and_a_damaged_row_costs_itself(make: Make, tmp_path: Path) -> None:
    kept = make()
    made = kept.capture("calm", 10, PERSON)
    assert (made.frames, made.over_s, made.uid, made.pack) == (10, 10, PERSON, "counting 1")
    assert kept.captured()["calm"].latent == (34.5,) * 4
    kept.capture("busy", 30, PERSON)
    assert make().captured() == kept.captured()
    path = tmp_path / "goals.jsonl"
    path.write_bytes(path.read_bytes().replace(b"calm", b"cal\0", 1) + b"torn")
    assert list(make().captured()) == ["busy"]


def test_a_name_is_taken_once_and_only_its_maker_removes_it(make: Make) -> None:
    kept = make()
    kept.capture("calm", 10, PERSON)
    for uid in (PERSON, OTHER):
        with pytest.raises(JepaError, match="already"):
            kept.capture("calm", 10, uid)
    with pytest.raises(JepaError, match="captured by user 1000") as refused:
        kept.remove("calm", OTHER)
    assert refused.value.status == 403
    kept.remove("calm", 0)
    with pytest.raises(JepaError, match="no goal 'calm'"):
        kept.remove("calm", PERSON)
    assert make().all() == []


def test_nobody_fills_the_disk(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(goals, "MOST_OF_A_USER", 3)
    monkeypatch.setattr(goals, "MOST", 5)
    kept = make()
    for number in range(3):
        kept.capture(f"a{number}", 10, PERSON)
    with pytest.raises(JepaError, match="3 of 3 goals are yours"):
        kept.capture("a3", 10, PERSON)
    for number in range(2):
        kept.capture(f"b{number}", 10, OTHER)
    with pytest.raises(JepaError, match="of 5 goals"):
        kept.capture("b2", 10, 0)


def test_what_cannot_be_kept_is_not_there(make: Make, tmp_path: Path) -> None:
    kept = make()
    (tmp_path / "goals.new").mkdir()
    with pytest.raises(JepaError, match="cannot be kept"):
        kept.capture("calm", 10, PERSON)
    assert kept.all() == []


def test_without_a_model_there_is_no_state(schema: Schema) -> None:
    with pytest.raises(JepaError, match="No pack is in use"):
        Goals(None, schema, Predictor(None), Ring()).capture("calm", 10, PERSON)
