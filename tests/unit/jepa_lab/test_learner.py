# SPDX-License-Identifier: Apache-2.0
"""A learner that goes on from a checkpoint ends where one ends that was never stopped."""

import pickle

import torch

from jepa.telemetry.recording import Recording
from jepa.world.scale import Scale
from jepa_lab.data import Mirror, Stretch, to_stretch
from jepa_lab.facts import FactSums, channel_facts
from jepa_lab.fleet.cuts import cut
from jepa_lab.learner import Learner
from jepa_lab.model.config import ModelConfig
from jepa_lab.model.world import MachineModel
from jepa_lab.objective import Validation
from jepa_lab.train import alike, repeatable
from jepa_lab.train_config import TrainConfig

CONFIG = TrainConfig(steps=4, slices=8, decoded_frames=8)


def some(recording: Recording, size: ModelConfig) -> list[Stretch]:
    return [to_stretch(cut(recording, start), size) for start in (100, 120)]


def a_learner(stretches: list[Stretch], recording: Recording) -> Learner:
    repeatable(1)
    facts = channel_facts(stretches, Scale(recording.schema))
    model = MachineModel(ModelConfig.of(recording.schema), facts.center, facts.spread, facts.floor)
    return Learner(model, facts, Mirror.of(recording.schema), CONFIG)


def test_it_goes_on_from_a_checkpoint_as_if_nothing_had_been(recording: Recording) -> None:
    stretches = some(recording, ModelConfig.of(recording.schema))
    held = alike(stretches[:1])
    whole = a_learner(stretches, recording)
    kept = b""
    for number in range(2):
        whole.seed(1, number)
        whole.learn(stretches)
        whole.validate(held)
        kept = kept or pickle.dumps(whole.state())
    other = a_learner(stretches, recording)
    other.restore(pickle.loads(kept))
    assert other.step == 1
    other.seed(1, 1)
    other.learn(stretches)
    other.validate(held)
    assert other.history == whole.history
    for one, again in zip(whole.best().parameters(), other.best().parameters(), strict=True):
        assert torch.equal(one, again)


def test_what_several_have_validated_is_what_one_has(recording: Recording) -> None:
    stretches = some(recording, ModelConfig.of(recording.schema))
    held = [batch for each in stretches for batch in alike([each])]
    found: list[Validation] = []

    def gather(own: Validation) -> list[Validation]:
        found.append(own)
        return found

    # The last one has none of them itself: there are fewer than learners.
    for some_of_them in (held[:1], held[1:]):
        a_learner(stretches, recording).validate(some_of_them, gather)
    learner = a_learner(stretches, recording)
    learner.validate([], gather)
    alone = a_learner(stretches, recording)
    alone.validate(held)
    assert learner.history == alone.history
    assert learner.stale == 0


def test_facts_of_parts_are_those_of_the_whole(recording: Recording) -> None:
    stretches, scale = some(recording, ModelConfig.of(recording.schema)), Scale(recording.schema)
    whole, parts = channel_facts(stretches, scale), FactSums.of(stretches[1]) + FactSums.of(stretches[0])
    frame, valid = (torch.cat([getattr(each, name) for each in stretches]) for name in ("frame", "valid"))
    for name in ("center", "spread", "persistence"):
        torch.testing.assert_close(getattr(parts.facts(scale), name), getattr(whole, name))
    seen = valid.bool().all(0)
    torch.testing.assert_close(whole.center[seen], frame.mean(0)[seen])
    assert not whole.observed[~valid.bool().any(0)].any()
