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

from jepa.evaluation.scoring import BAND
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
from jepa_lab.losses import (
    effective_rank,
    event_loss,
    latent_prediction,
    missed_band,
    pinball,
    sigreg,
    variance_covariance,
)
from jepa_lab.model.config import ModelConfig
from jepa_lab.model.inverse import APART, InverseDynamics
from jepa_lab.model.world import Batch, MachineModel, Output, Pick

_SOFTNESS = 0.015
_COVER = 0.9
_LEAST_SPREAD = 0.01
NEVER_S = 3600
"""A step of the coarse context that no recording is long enough for."""
_CHANGED = 0.02
"""A setting has just changed if it differs by so much from what it was over the last seconds."""


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """How to train; of the losses' weights only those of band and horizons were tuned, on validation."""

    seed: int = 1
    minutes: float = 120.0
    """At most so long; the best so far is kept then. Nothing else depends on the clock."""
    steps: int = 5000
    patience: int = 30
    """Validations without improvement before it stops."""
    validate_every: int = 20
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.05
    frames: int = 1200
    """In a batch, about, of recordings of about the same length; two recordings at least."""
    decoded_frames: int = 48
    """Frames of a batch that forecasts are made at."""
    decoded_channels: int = 20
    channel_drop: float = 0.1
    mirror: bool = True
    """Whether foreground and background change their parts in half of the sessions."""
    coarse_s: int = 15
    """How far apart the frames of the coarse context are."""
    tell_actions: bool = True
    """Whether the model is told what actions have set."""
    acting: bool = True
    """Whether sessions with actions are trained on."""
    every: int = 1
    """One session in so many is trained on, in the order of their names."""
    twins: bool = True
    """Whether their second runs are, too."""
    forget: float = 0.15
    """Share of channels whose own vector is left out, so that unseen channels are served too."""
    band_weight: float = 2.0
    far_less: float = 0.5
    """By which power of its length a horizon weighs less: windows that overlap are not so many."""
    fresh_weight: float = 2.0
    """How much more the forecasts weigh while a setting has just changed."""
    predict_weight: float = 0.2
    event_weight: float = 0.3
    inverse_weight: float = 0.2
    sigreg_weight: float = 0.005
    variance_weight: float = 0.2
    covariance_weight: float = 0.01
    slices: int = 64
    average: float = 0.98
    """Decay of the averaged weights that are validated and kept."""


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
    if not (config.acting and config.tell_actions):
        trials = []
    if not config.tell_actions:
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


def validated(
    model: MachineModel, inverse: InverseDynamics, held: Sequence[Batch], unit: Tensor
) -> dict[str, float]:
    """What the held batches say, each recording weighing the same."""
    levels = torch.tensor(model.config.quantiles)
    rows, latents = [], []
    for batch in held:
        with torch.no_grad():
            everything = _every(batch)
            output = model(batch, everything)
            target, scored = _targets(batch, everything)
            median = output.quantiles[..., model.config.quantiles.index(0.5)]
            rows.append(
                {
                    "pinball": float(pinball(output.quantiles, levels, target, scored, unit)),
                    "missed": float(missed_band(median, target, scored, BAND, _SOFTNESS)),
                    "events": float(event_loss(output.event_logits, *_events(batch, everything))),
                    "unsettled": float(inverse_dynamics(inverse, output.z, batch)),
                }
            )
            latents.append(output.z[batch.real.bool()])
    weights = [len(batch.frame) for batch in held]
    mean = {name: sum(w * row[name] for w, row in zip(weights, rows, strict=True)) for name in rows[0]}
    z = torch.cat(latents)
    return {name: round(total / sum(weights), 4) for name, total in mean.items()} | {
        "rank": round(effective_rank(z), 1),
        "spread": round(float(z.std(0).min()), 3),
    }


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


def losses(
    model: MachineModel,
    inverse: InverseDynamics,
    batch: Batch,
    pick: Pick,
    unit: Tensor,
    config: TrainConfig,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """Every loss with its weight applied, by name."""
    output: Output = model(batch, pick)
    target, scored = _targets(batch, pick)
    levels = torch.tensor(model.config.quantiles)
    median = output.quantiles[..., model.config.quantiles.index(0.5)]
    ahead = [
        latent_prediction(
            model.predictor.next_latent(output.z, output.h, number), output.z, batch.real, step
        )
        for number, step in enumerate(model.config.steps)
    ]
    weigh = torch.tensor(model.config.horizons_s) ** -config.far_less
    changed = (batch.control - batch.recent[:, :, 0]).abs().amax(-1)[:, pick.frames] > _CHANGED  # (B, N)
    scored = scored * (1 + config.fresh_weight * changed)[..., None, None]
    z = output.z[batch.real.bool()]
    variance, covariance = variance_covariance(z)
    return {
        "forecast": pinball(output.quantiles, levels, target, scored, unit[pick.channels], weigh),
        "band": config.band_weight * missed_band(median, target, scored, BAND, _SOFTNESS, weigh),
        "latent": config.predict_weight * torch.stack(ahead).mean(),
        "sigreg": config.sigreg_weight * sigreg(z, config.slices, generator),
        "variance": config.variance_weight * variance,
        "covariance": config.covariance_weight * covariance,
        "event": config.event_weight * event_loss(output.event_logits, *_events(batch, pick)),
        "inverse": config.inverse_weight * inverse_dynamics(inverse, output.z, batch),
    }


def inverse_dynamics(inverse: InverseDynamics, z: Tensor, batch: Batch) -> Tensor:
    """Mean squared error of settings told from latents z (B, T, D), over what guessing their mean leaves.

    Of recordings in which something was set, the others tell nothing; 1 is no better than the mean.
    """
    acted = (batch.control != 0).flatten(1).any(1)
    if not acted.any():
        return z.new_zeros(())
    control = batch.control[acted, :-APART]
    weight = (batch.real[acted, APART:] * batch.real[acted, :-APART])[..., None].expand_as(control)
    total = weight.sum((0, 1)).clamp(min=1)
    mean = (control * weight).sum((0, 1)) / total
    error = ((inverse(z[acted]) - control).square() * weight).sum((0, 1)) / total
    spread = ((control - mean).square() * weight).sum((0, 1)) / total
    share: Tensor = (error / spread.clamp(min=_LEAST_SPREAD)).mean()
    return share


def _events(batch: Batch, pick: Pick) -> tuple[Tensor, Tensor]:
    """(B, N, E, H) whether each event came, and whether that is known, at the frames picked."""
    return batch.came[:, pick.frames], batch.known[:, pick.frames]


def _targets(batch: Batch, pick: Pick) -> tuple[Tensor, Tensor]:
    """(B, N, C', H, 2) and (B, N, C', H) of what was picked."""
    target = batch.target[:, pick.frames][:, :, pick.channels]
    return target, batch.scored[:, pick.frames][:, :, pick.channels]


def widen_intervals(model: MachineModel, held: Sequence[Batch], facts: ChannelFacts) -> None:
    """Scale the distances between quantiles so that 90 % intervals cover 90 % of the validation windows.

    One factor for each horizon and target; without it a model judges the unknown by what it was trained on.
    """
    moving = (facts.persistence > facts.floor[:, None, None]).any(-1).any(-1)
    parts = [_needed(model, batch) for batch in held]
    for column in range(len(model.config.horizons_s)):
        for side in range(2):
            reached = torch.cat(
                [needed[..., column, side][scored[..., column] & moving] for needed, scored in parts]
            )
            factor = torch.quantile(reached, _COVER).clamp(0.5, 4.0)
            model.decoder.widen[column, side] *= factor


def _needed(model: MachineModel, batch: Batch) -> tuple[Tensor, Tensor]:
    """(B, N, C, H, 2) how far each interval must be stretched to reach its target, and which count."""
    pick = _every(batch)
    with torch.no_grad():
        quantiles = model(batch, pick).quantiles
    target, scored = _targets(batch, pick)
    middle = quantiles[..., model.config.quantiles.index(0.5)]
    below, above = middle - quantiles[..., 0], quantiles[..., -1] - middle
    needed = torch.where(
        target < middle, (middle - target) / (below + 1e-6), (target - middle) / (above + 1e-6)
    )
    return needed, scored.bool()


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


def _every(batch: Batch) -> Pick:
    """Every channel, and every third frame: neighbours have nearly the same windows to come."""
    return Pick(torch.arange(0, batch.frame.shape[1], 3), torch.arange(batch.frame.shape[2]))


def _average(averaged: MachineModel, model: MachineModel, decay: float) -> None:
    with torch.no_grad():
        for kept, now in zip(averaged.parameters(), model.parameters(), strict=True):
            kept.lerp_(now, 1 - decay)
        for held, fresh in zip(averaged.buffers(), model.buffers(), strict=True):
            held.copy_(fresh)


def _latents(model: MachineModel, batch: Batch) -> Tensor:
    output: Output = model(batch, _every(batch))
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
