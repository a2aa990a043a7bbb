# SPDX-License-Identifier: Apache-2.0
"""Actions are told as they are known: when they are in force, or a frame before they show."""

import random

import numpy as np
import pytest
import torch

from jepa.telemetry.recording import Action, Recording, describe_host
from jepa.telemetry.schema import Schema, load_schema
from jepa.world.controls import CONTROLS
from jepa_lab.data import Mirror, Stretch, batch_of, to_stretch, without_actions
from jepa_lab.model.config import ModelConfig

PAUSE = CONTROLS.index(("pause", "background"))
SECOND = 1_000_000_000
PAUSED = 20


@pytest.fixture(scope="module")
def schema() -> Schema:
    return load_schema()


@pytest.fixture(scope="module")
def stretch(schema: Schema) -> Stretch:
    actions = (Action(PAUSED * SECOND + SECOND // 2, "pause", {"role": "background", "value": 1}),)
    values = np.zeros((60, len(schema.channels)), np.float32)
    meta = describe_host(schema, labels={})
    recording = Recording(schema, np.arange(60) * SECOND, values, actions, (), meta)
    return to_stretch(recording, ModelConfig.of(schema))


def test_an_action_is_in_force_from_the_next_frame_on_and_foreseen_from_the_one_before(
    stretch: Stretch,
) -> None:
    assert stretch.control[:, PAUSE].nonzero()[0] == PAUSED + 1
    assert stretch.foreseen[:, PAUSE].nonzero()[0] == PAUSED
    assert stretch.recent[PAUSED, :, PAUSE].max() == 0
    torch.testing.assert_close(stretch.recent[PAUSED + 5, 0, PAUSE], torch.tensor(1.0))


def test_in_training_both_are_told_and_else_only_what_is_in_force(stretch: Stretch) -> None:
    batch = batch_of([stretch])
    assert torch.equal(batch.control[0], stretch.control)
    rng = random.Random(0)
    frames = len(stretch.control)
    starts = set()
    for _ in range(40):
        told = batch_of([stretch], rng).control[0, :, PAUSE]
        starts.add(int((told > 0).sum()))
    assert starts == {frames - PAUSED - 1, frames - PAUSED}


def test_the_mirror_changes_what_is_set_with_what_is_seen(schema: Schema, stretch: Stretch) -> None:
    part = {name: getattr(stretch, name) for name in Stretch.__slots__}
    weight = CONTROLS.index(("cpu.weight", "background")), CONTROLS.index(("cpu.weight", "foreground"))
    part["control"] = part["control"].clone()
    part["control"][:, weight[0]] = 0.5
    mirrored = Mirror.of(schema).apply(part)
    assert (mirrored["control"][:, weight[1]] == 0.5).all()
    assert (mirrored["control"][:, weight[0]] == 0).all()
    assert mirrored["recent"].shape == part["recent"].shape
    twice = Mirror.of(schema).apply(mirrored)
    assert torch.equal(twice["recent"], part["recent"])


def test_who_is_not_told_of_actions_hears_of_none_in_training_either(stretch: Stretch) -> None:
    rng = random.Random(0)
    for _ in range(10):
        batch = batch_of([without_actions(stretch)], rng)
        assert not batch.control.any()
        assert not batch.recent.any()
    assert stretch.control.any(), "and the recording keeps them"
