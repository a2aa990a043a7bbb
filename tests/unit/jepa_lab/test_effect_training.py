# SPDX-License-Identifier: Apache-2.0
"""Effects are learned from trials, after all else and without touching it."""

import numpy as np
import pytest
import torch

from jepa.telemetry.recording import Action, Recording, describe_host
from jepa.telemetry.schema import Schema, load_schema
from jepa.world.scale import Scale
from jepa_lab.data import Stretch, to_stretch
from jepa_lab.effect_training import EffectTraining, learn_effects
from jepa_lab.facts import channel_facts
from jepa_lab.model.config import ModelConfig
from jepa_lab.model.world import Batch, MachineModel, Pick

SECOND = 1_000_000_000
BUSY = "system.role.background.cpu"
PAUSED = tuple(range(20, 200, 40))
TRAINING = EffectTraining(steps=120)


@pytest.fixture(scope="module")
def schema() -> Schema:
    return load_schema()


@pytest.fixture(scope="module")
def trial(schema: Schema) -> Stretch:
    """A background that works at eight tenths, and not at all while it is paused."""
    share = np.full((220, len(schema.channels)), 0.3, np.float32)
    share += np.random.default_rng(0).normal(0, 0.01, share.shape).astype(np.float32)
    share[:, schema.index(BUSY)] += 0.5
    actions = []
    for at in PAUSED:
        share[at + 1 : at + 21, schema.index(BUSY)] = 0.0
        for when, value in ((at, 1), (at + 20, 0)):
            role = {"role": "background", "value": value}
            actions.append(Action(when * SECOND + SECOND // 2, "pause", role))
    values = Scale(schema).from_unit(share)
    meta = describe_host(schema, labels={})
    recording = Recording(schema, np.arange(len(share)) * SECOND, values, tuple(actions), (), meta)
    return to_stretch(recording, ModelConfig.of(schema))


@pytest.fixture
def model(schema: Schema, trial: Stretch) -> MachineModel:
    torch.manual_seed(0)
    facts = channel_facts([trial], Scale(schema))
    return MachineModel(ModelConfig.of(schema), facts.center, facts.spread, facts.floor).eval()


def told(model: MachineModel, trial: Stretch, at: int) -> torch.Tensor:
    """(C, H) medians of the means to come, at a frame whose next one shows what is foreseen."""
    fields = {name: getattr(trial, name)[None] for name in Stretch.__slots__ if name != "foreseen"}
    batch = Batch(**(fields | {"control": trial.foreseen[None]}), real=torch.ones(1, len(trial.frame)))
    with torch.no_grad():
        output = model(batch, Pick(torch.tensor([at]), torch.arange(trial.frame.shape[1]), asked=True))
    return output.quantiles[0, 0, :, :, 0, model.config.quantiles.index(0.5)]


def test_what_a_pause_does_is_learned_in_its_size_and_of_the_channel_that_it_moves(
    schema: Schema, trial: Stretch, model: MachineModel
) -> None:
    busy, five = schema.index(BUSY), model.config.horizons_s.index(5)
    at = PAUSED[-1]
    before = told(model, trial, at)
    assert learn_effects(model, [trial], None, TRAINING)["moments"] == 2 * len(PAUSED)
    moved = told(model, trial, at) - before
    assert -1.0 < moved[busy, five] < -0.4, "eight tenths are taken away"
    others = [channel for channel in range(len(schema.channels)) if channel != busy]
    assert moved[others, five].abs().median() < 0.1


def test_nothing_else_of_the_model_is_touched(trial: Stretch, model: MachineModel) -> None:
    kept = {name: value.clone() for name, value in model.state_dict().items()}
    learn_effects(model, [trial], None, EffectTraining(steps=5))
    for name, value in model.state_dict().items():
        assert torch.equal(value, kept[name]) != name.startswith("decoder.effect."), name


def test_where_nothing_was_set_there_is_nothing_to_learn(trial: Stretch, model: MachineModel) -> None:
    still = Stretch(
        **{
            name: torch.zeros_like(value) if name in ("control", "foreseen", "recent") else value
            for name in Stretch.__slots__
            for value in (getattr(trial, name),)
        }
    )
    assert learn_effects(model, [still], None, TRAINING) == {}
