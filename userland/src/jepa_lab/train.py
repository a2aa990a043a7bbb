# SPDX-License-Identifier: Apache-2.0
"""Trains a machine model on recordings, within a time budget, and keeps the best on validation."""

import random
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from jepa.telemetry.recording import read_meta
from jepa.telemetry.schema import Schema
from jepa.world.scale import Scale
from jepa_lab.data import (
    TRIAL,
    Mirror,
    Stretch,
    batch_of,
    find_recordings,
    kind_of,
    load_stretches,
    with_twins,
    without_actions,
)
from jepa_lab.effect_training import EffectTraining, learn_effects
from jepa_lab.facts import ChannelFacts, channel_facts
from jepa_lab.intervals import widen_intervals
from jepa_lab.learner import Learner
from jepa_lab.losses import effective_rank
from jepa_lab.model.config import ModelConfig
from jepa_lab.model.world import Batch, MachineModel, ModelOutput
from jepa_lab.objective import every_channel
from jepa_lab.train_config import TrainConfig

NEVER_S = 3600
"""A step of the coarse context that no recording is long enough for."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained model and what is worth remembering of its making."""

    model: MachineModel
    facts: ChannelFacts
    report: dict[str, object]


def train(recordings: Path, schema: Schema, config: TrainConfig) -> Trained:
    """Train on the ``train`` recordings below ``recordings``, stopping early on the ``validation`` ones.

    Every kernel's sessions are shown as often as those of another, however many there are: sessions of
    emulated machines are cheap, and are not what most people have.
    """
    repeatable(config.seed)
    size = replace(ModelConfig.of(schema), coarse_s=config.coarse_s)
    folders = {split: find_recordings(recordings, split) for split in ("train", "validation")}
    folders["train"] = folders["train"][:: config.every]
    if config.twins:
        folders["train"] = with_twins(folders["train"])
    stretches = {split: load_stretches(paths, schema, size) for split, paths in folders.items()}
    trials = [
        each
        for folder, each in zip(folders["train"], stretches["train"], strict=True)
        if kind_of(folder) == TRIAL
    ]
    if not (config.acting and config.actions_as_input):
        trials = []
    if not config.actions_as_input:
        stretches = {split: [without_actions(each) for each in some] for split, some in stretches.items()}
    machines: dict[str, list[Stretch]] = {}
    for folder, each in zip(folders["train"], stretches["train"], strict=True):
        if config.acting or not each.control.any():
            machines.setdefault(read_meta(folder).kernel, []).append(each)
    stretches["train"] = [each for some in machines.values() for each in some]
    facts = channel_facts(stretches["train"], Scale(schema))
    model = MachineModel(size, facts.center, facts.spread, facts.floor)
    mirror = Mirror.of(schema) if config.mirror else None
    held = alike(stretches["validation"])
    history = _fit(model, list(machines.values()), held, facts, mirror, config)
    shown = Frames.of(stretches["train"])
    finished = finish(model, facts, held, shown, trials, mirror, config.seed)
    report: dict[str, object] = {
        "config": asdict(config),
        "seed": config.seed,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "recordings": {split: [path.name for path in paths] for split, paths in folders.items()},
        "frames": {split: sum(len(part.frame) for part in parts) for split, parts in stretches.items()},
        "history": history,
        **finished,
    }
    return Trained(model, facts, report)


def _fit(
    model: MachineModel,
    machines: Sequence[Sequence[Stretch]],
    held: Sequence[Batch],
    facts: ChannelFacts,
    mirror: Mirror | None,
    config: TrainConfig,
) -> list[dict[str, float]]:
    learner = Learner(model, facts, mirror, config)
    start = time.monotonic()
    while learner.step < config.steps:
        step, spent = learner.step, (time.monotonic() - start) / (60 * config.minutes)
        learner.learn(_draw(learner.rng.choice(machines), learner.rng, config.frames))
        if step % config.validate_every and spent < 1:
            continue
        line = learner.validate(held)
        line["seconds"] = round(time.monotonic() - start, 1)
        print("\r" + " ".join(f"{name} {value}" for name, value in line.items()), end="   ", file=sys.stderr)
        if learner.stale >= config.patience or spent >= 1:
            break
    print(file=sys.stderr)
    learner.best()
    return learner.history


_LONGER = 1.5
"""Recordings whose lengths differ by less than this factor share a batch: padding is work for nothing."""


def alike(stretches: Sequence[Stretch]) -> list[Batch]:
    """The stretches as batches of about the same length."""
    return [batch_of(group) for group in _groups(stretches)]


def _groups(stretches: Sequence[Stretch]) -> list[list[Stretch]]:
    groups: list[list[Stretch]] = []
    for stretch in sorted(stretches, key=lambda each: len(each.frame)):
        if not groups or len(stretch.frame) > _LONGER * len(groups[-1][0].frame):
            groups.append([])
        groups[-1].append(stretch)
    return groups


def _draw(stretches: Sequence[Stretch], rng: random.Random, frames: int) -> list[Stretch]:
    """Stretches of about the same length, about ``frames`` together; every frame is as likely as others."""
    groups = _groups(stretches)
    sizes = [sum(len(each.frame) for each in group) for group in groups]
    group = rng.choices(groups, sizes)[0]
    return rng.sample(group, min(len(group), max(2, round(frames / len(group[0].frame)))))


def repeatable(seed: int) -> None:
    """Make what PyTorch does in this process depend on ``seed`` alone."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True)


@dataclass(frozen=True, slots=True)
class Frames:
    """Frames without their order: what the encoder's readout is fitted on."""

    frame: Tensor  # (N, C)
    valid: Tensor  # (N, C)

    @classmethod
    def of(cls, stretches: Iterable[Stretch]) -> "Frames":
        """Those of ``stretches``, each of which may go once it was taken."""
        pairs = [(each.frame, each.valid) for each in stretches]
        return cls(*(torch.cat(some) for some in zip(*pairs, strict=True)))


def finish(
    model: MachineModel,
    facts: ChannelFacts,
    held: Sequence[Batch],
    shown: Frames,
    trials: Sequence[Stretch],
    mirror: Mirror | None,
    seed: int,
) -> dict[str, object]:
    """Let a fitted ``model`` learn what it learns apart from the rest; what is worth remembering of it."""
    effects = learn_effects(model, trials, mirror, EffectTraining(seed=seed))
    widen_intervals(model, held, facts)
    with torch.no_grad():
        model.decoder.embedding.mul_(facts.observed[:, None])
        model.decoder.effect.concern.mul_(facts.observed[:, None])
        rank = effective_rank(torch.cat([_latents(model, each) for each in held]))
        latents = model.encoder(shown.frame, shown.valid)
        model.encoder.fit_readout(shown.frame, shown.valid, latents)
    return {"effective_rank": round(rank, 1), "effects": effects}


def _latents(model: MachineModel, batch: Batch) -> Tensor:
    output: ModelOutput = model(batch, every_channel(batch))
    return output.z[batch.real.bool()]
