# SPDX-License-Identifier: Apache-2.0
"""Training learns, and gives the same model for the same seed."""

from pathlib import Path

import numpy as np
import pytest
import torch

from jepa.errors import JepaError
from jepa.telemetry.frame import Frame
from jepa.telemetry.recording import Recorder, describe_host
from jepa.telemetry.schema import Schema, load_schema
from jepa.world.scale import Scale
from jepa_lab.train import train
from jepa_lab.train_config import TrainConfig
from jepa_lab.weights import load_weights, save_weights

SECOND = 1_000_000_000


@pytest.fixture(scope="module")
def schema() -> Schema:
    return load_schema()


@pytest.fixture(scope="module")
def recordings(schema: Schema, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("recordings")
    rng = np.random.default_rng(3)
    for name, split in (("a", "train"), ("b", "train"), ("c", "validation")):
        recorder = Recorder(root / name, schema, describe_host(schema, labels={"split": split}))
        phase = rng.integers(0, 20)
        for number in range(100):
            busy = (number + phase) % 20 < 8
            share = np.full(len(schema.channels), 0.7 if busy else 0.1) + rng.normal(0, 0.01)
            values = Scale(schema).from_unit(share.astype(np.float32))
            recorder.append(Frame(number * SECOND, values, ~np.isnan(values)))
        recorder.close()
    return root


def test_it_learns_a_period_and_repeats_itself_for_a_seed(
    schema: Schema, recordings: Path, tmp_path: Path
) -> None:
    config = TrainConfig(steps=25, validate_every=12, frames=200)
    first, second = (train(recordings, schema, config) for _ in range(2))
    history = first.report["history"]
    assert isinstance(history, list)
    assert history[-1]["pinball"] < 0.97 * history[0]["pinball"]
    for one, other in zip(first.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(one, other)
    save_weights(first.model, tmp_path)
    kept = load_weights(tmp_path)
    for name, value in first.model.state_dict().items():
        assert torch.equal(value, kept.state_dict()[name])


def test_no_recordings_of_a_split_is_said(schema: Schema, tmp_path: Path) -> None:
    with pytest.raises(JepaError, match="no train recording"):
        train(tmp_path, schema, TrainConfig(steps=1))


def test_a_pack_without_weights_is_said(tmp_path: Path) -> None:
    with pytest.raises(JepaError, match="cannot be trained on"):
        load_weights(tmp_path)
