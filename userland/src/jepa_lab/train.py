# SPDX-License-Identifier: Apache-2.0
"""Trains a machine model on recordings, within a time budget, and keeps the best on validation."""

import copy
import json
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from jepa.telemetry.recording import read_meta
from jepa.telemetry.schema import Schema
from jepa.world.scale import Scale
from jepa_lab.data import (
    TRIAL,
    ChannelFacts,
    Mirror,
    Stretch,
    batch_of,
    channel_facts,
    find_recordings,
    kind_of,
    load_stretches,
    with_twins,
    without_actions,
)
from jepa_lab.effect_training import EffectTraining, learn_effects
from jepa_lab.intervals import widen_intervals
from jepa_lab.losses import effective_rank
from jepa_lab.model.config import ModelConfig
from jepa_lab.model.inverse import InverseDynamics
from jepa_lab.model.world import Batch, MachineModel, ModelOutput, Pick
from jepa_lab.objective import every_channel, losses, validated
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
    torch.set_num_threads(1)
    torch.manual_seed(config.seed)
    torch.use_deterministic_algorithms(True)
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
    held = [batch_of(each) for each in _alike(stretches["validation"])]
    history = _fit(model, list(machines.values()), held, facts, mirror, config)
    effects = learn_effects(model, trials, mirror, EffectTraining(seed=config.seed))
    widen_intervals(model, held, facts)
    with torch.no_grad():
        model.decoder.embedding.mul_(facts.observed[:, None])
        model.decoder.effect.concern.mul_(facts.observed[:, None])
        rank = effective_rank(torch.cat([_latents(model, each) for each in held]))
        frame = torch.cat([each.frame for each in stretches["train"]])
        valid = torch.cat([each.valid for each in stretches["train"]])
        model.encoder.fit_readout(frame, valid, model.encoder(frame, valid))
    report: dict[str, object] = {
        "config": asdict(config),
        "seed": config.seed,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "recordings": {split: [path.name for path in paths] for split, paths in folders.items()},
        "frames": {split: sum(len(part.frame) for part in parts) for split, parts in stretches.items()},
        "effective_rank": round(rank, 1),
        "history": history,
        "effects": effects,
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
    rng = random.Random(config.seed)
    generator = torch.Generator().manual_seed(config.seed)
    inverse = InverseDynamics(model.config)
    optimiser = torch.optim.AdamW(
        [*model.parameters(), *inverse.parameters()],
        config.learning_rate,
        weight_decay=config.weight_decay,
        betas=(0.9, 0.98),
    )
    unit = torch.maximum(facts.persistence, facts.floor[:, None, None])
    averaged = copy.deepcopy(model).eval()
    best, best_state, stale = float("inf"), copy.deepcopy(averaged.state_dict()), 0
    history: list[dict[str, float]] = []
    start = time.monotonic()
    for step in range(config.steps):
        spent = (time.monotonic() - start) / (60 * config.minutes)
        rate = min(1.0, (step + 1) / 50) * (1 - 0.95 * step / config.steps)
        optimiser.param_groups[0]["lr"] = config.learning_rate * rate
        model.train()
        chosen = _draw(rng.choice(machines), rng, config.frames)
        batch = batch_of(chosen, rng, config.channel_drop, mirror)
        parts = losses(
            model,
            inverse,
            batch,
            _pick(batch, facts, model.config, config, generator),
            unit,
            config,
            generator,
        )
        optimiser.zero_grad()
        sum(parts.values(), torch.zeros(())).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        _average(averaged, model, config.average if step > 100 else 0.9)
        if step % config.validate_every and spent < 1:
            continue
        found = validated(averaged, inverse, held, unit)
        forecast = found["pinball"] + config.band_weight * found["missed"]
        line = {name: round(part.item(), 4) for name, part in parts.items()} | {"step": step} | found
        line["seconds"] = round(time.monotonic() - start, 1)
        history.append(line)
        print("\r" + " ".join(f"{name} {value}" for name, value in line.items()), end="   ", file=sys.stderr)
        stale += 1
        if forecast < best:
            best, best_state, stale = forecast, copy.deepcopy(averaged.state_dict()), 0
        if stale >= config.patience or spent >= 1:
            break
    print(file=sys.stderr)
    model.load_state_dict(best_state)
    model.eval()
    return history


_LONGER = 1.5
"""Recordings whose lengths differ by less than this factor share a batch: padding is work for nothing."""


def _alike(stretches: Sequence[Stretch]) -> list[list[Stretch]]:
    """The stretches in groups of about the same length."""
    groups: list[list[Stretch]] = []
    for stretch in sorted(stretches, key=lambda each: len(each.frame)):
        if not groups or len(stretch.frame) > _LONGER * len(groups[-1][0].frame):
            groups.append([])
        groups[-1].append(stretch)
    return groups


def _draw(stretches: Sequence[Stretch], rng: random.Random, frames: int) -> list[Stretch]:
    """Stretches of about the same length, about ``frames`` together; every frame is as likely as others."""
    groups = _alike(stretches)
    sizes = [sum(len(each.frame) for each in group) for group in groups]
    group = rng.choices(groups, sizes)[0]
    return rng.sample(group, min(len(group), max(2, round(frames / len(group[0].frame)))))


def _pick(
    batch: Batch,
    facts: ChannelFacts,
    size: ModelConfig,
    config: TrainConfig,
    generator: torch.Generator,
) -> Pick:
    sequences, frames = batch.frame.shape[:2]
    observed = facts.observed.nonzero()[:, 0]
    some = observed[torch.randperm(len(observed), generator=generator)[: config.decoded_channels]]
    channels = torch.tensor(sorted({*some.tolist(), *size.event_channels, *size.hint_channels}))
    chosen = torch.randperm(frames, generator=generator)[: config.decoded_frames]
    forget = torch.rand(sequences, len(chosen), len(channels), 1, generator=generator) < config.forget
    return Pick(chosen, channels, forget.float())


def _average(averaged: MachineModel, model: MachineModel, decay: float) -> None:
    with torch.no_grad():
        for kept, now in zip(averaged.parameters(), model.parameters(), strict=True):
            kept.lerp_(now, 1 - decay)
        for held, fresh in zip(averaged.buffers(), model.buffers(), strict=True):
            held.copy_(fresh)


def _latents(model: MachineModel, batch: Batch) -> Tensor:
    output: ModelOutput = model(batch, every_channel(batch))
    return output.z[batch.real.bool()]


def save(trained: Trained, path: Path) -> None:
    """Write the model, its configuration and its report to one file, and the report beside it as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"config": asdict(trained.model.config), "state": trained.model.state_dict()}
    torch.save(content, path)
    path.with_suffix(".json").write_text(json.dumps(trained.report, indent=1) + "\n", encoding="utf-8")


def load(path: Path) -> MachineModel:
    """The model that ``save`` wrote, ready to use."""
    content = torch.load(path, weights_only=True)
    fields: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in content["config"].items()
    }
    config = ModelConfig(**fields)
    blank = torch.ones(config.channels)
    model = MachineModel(config, blank, blank, blank)
    model.load_state_dict(content["state"])
    return model.eval()
