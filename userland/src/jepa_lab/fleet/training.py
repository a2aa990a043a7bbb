# SPDX-License-Identifier: Apache-2.0
"""Trains a machine model on a fleet's recordings with Ray Train, on as many machines as the cluster has.

Of the recordings only what a step needs is in memory; what describes all of them is sums, made by one task
a recording. One machine alone does the same, with a cluster of its own.
"""

import hashlib
import json
import pickle
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Final

import numpy as np
from torch import Tensor

from jepa.errors import JepaError
from jepa.fleet.manifest import StoredRecording
from jepa.telemetry.recording import Recording
from jepa.telemetry.schema import Schema
from jepa.world.event_definitions import EVENT_DEFINITIONS
from jepa.world.scale import Scale
from jepa_lab.build import Onsets, onsets_in
from jepa_lab.data import Mirror, Stretch, to_stretch
from jepa_lab.facts import ChannelFacts, FactSums
from jepa_lab.fleet.cluster import RETRIES, Away, each_part, use_part
from jepa_lab.fleet.cuts import load, load_if_good, sample, slim
from jepa_lab.fleet.splits import Split
from jepa_lab.fleet.survey import Host, Problem
from jepa_lab.fleet.worker import TRAINING_CPUS, Best, Job, run
from jepa_lab.model.config import ModelConfig
from jepa_lab.model.world import MachineModel
from jepa_lab.train import Frames, Trained, finish
from jepa_lab.train_config import TrainConfig

WATCHED: Final = 16
"""Cuts of validation machines that are watched while training: an hour together."""
_READ_OUT: Final = 64
"""Cuts of training machines that the encoder's readout is fitted on."""


@dataclass(frozen=True, slots=True)
class PartFacts:
    """What one part says of the channels and the events."""

    sums: FactSums
    onsets: Onsets
    acted: bool


@dataclass(frozen=True, slots=True)
class FleetTrained:
    """What came of it."""

    trained: Trained
    onsets: Onsets
    validation: tuple[Recording, ...]
    problems: tuple[Problem, ...]
    """What was left out of the training, and why."""


def part_facts(
    address: str, host: str, part: StoredRecording, schema: Schema, size: ModelConfig
) -> PartFacts | Problem | Away:
    """The facts of one part."""

    def of(recording: Recording) -> PartFacts:
        return PartFacts(
            FactSums.of(to_stretch(recording, size)), onsets_in(recording), bool(recording.actions)
        )

    return use_part(address, host, part, schema, of)


def train_fleet(
    address: str,
    divided: Split,
    schema: Schema,
    config: TrainConfig,
    fit: Callable[[Job], Best],
    *,
    trials: Sequence[Stretch] = (),
    start: MachineModel | None = None,
) -> FleetTrained:
    """Train on the machines of ``divided.train`` by ``fit``, which is `on_workers` or `worker.alone`.

    ``trials`` are recordings of the lab, from which it is learned what settings do. With ``start`` the model
    begins with its weights, and keeps its scale of each channel.

    Raises JepaError when the store stays away, or nothing can be trained on.
    """
    size = replace(ModelConfig.of(schema), coarse_s=config.coarse_s) if start is None else start.config
    hosts, facts, onsets, problems = _look(address, divided.train, schema, size, config)
    if start is not None:
        facts = _facts_beside(start, facts)
    rng = random.Random(config.seed)
    watched, unwatched = _watched(address, divided.validation, schema, rng)
    weights = None if start is None else start.state_dict()
    job = Job(address, schema, size, config, facts, hosts, watched, weights)
    best, history = fit(job)
    model = job.model()
    model.load_state_dict(best)
    model.eval()
    mirror = Mirror.of(schema) if config.mirror else None
    read_out = (
        job.stretch(each) for drawn in sample(hosts, _READ_OUT, rng) for each in load(address, drawn, schema)
    )
    acting = trials if config.acting and config.actions_as_input else ()
    finished = finish(model, facts, job.watched(), Frames.of(read_out), acting, mirror, config.seed)
    report: dict[str, object] = {
        "config": asdict(config),
        "seed": config.seed,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "machines": {
            name: [host.host for host in getattr(divided, name)]
            for name in ("train", "validation", "heldout")
        },
        "frames": {
            "train": sum(part.frames for host in hosts for part in host.parts),
            "validation": sum(len(each.ts_ns) for each in watched),
        },
        "history": history,
        **finished,
    }
    return FleetTrained(Trained(model, facts, report), onsets, watched, (*problems, *unwatched))


def _look(
    address: str, hosts: Sequence[Host], schema: Schema, size: ModelConfig, config: TrainConfig
) -> tuple[tuple[Host, ...], ChannelFacts, Onsets, tuple[Problem, ...]]:
    """The machines with the parts that are trained on, what these say, and what is left out."""
    given = [(host.host, part) for host in map(slim, hosts) for part in host.parts][:: config.every]
    sums: FactSums | None = None
    onsets: Onsets = np.zeros(len(EVENT_DEFINITIONS))
    kept: dict[str, list[StoredRecording]] = {}
    problems = []
    for (host, part), found in zip(given, each_part(part_facts, address, given, schema, size), strict=True):
        if isinstance(found, Problem):
            problems.append(found)
        elif config.acting or not found.acted:
            sums = found.sums if sums is None else sums + found.sums
            onsets += found.onsets
            kept.setdefault(host, []).append(part)
    if sums is None:
        raise JepaError("There is no recording to train on.", "See `jepa-lab fleet ls --check`.")
    good = tuple(Host(host, tuple(parts)) for host, parts in kept.items())
    return good, sums.facts(Scale(schema)), onsets, tuple(problems)


def _watched(
    address: str, hosts: Sequence[Host], schema: Schema, rng: random.Random
) -> tuple[tuple[Recording, ...], tuple[Problem, ...]]:
    """The cuts that are watched while training, and the parts out of which none could be had."""
    found: list[Recording] = []
    problems: dict[str, Problem] = {}
    for drawn in sample(tuple(map(slim, hosts)), WATCHED, rng):
        loaded = load_if_good(address, drawn, schema)
        if isinstance(loaded, Problem):
            problems[loaded.place] = loaded
        else:
            found += loaded
    if not found:
        raise JepaError(
            "There is no recording to watch the training by.", "See `jepa-lab fleet ls --check`."
        )
    return tuple(found), tuple(problems.values())


def _facts_beside(start: MachineModel, fleet: ChannelFacts) -> ChannelFacts:
    """The scale that ``start`` was trained on, with how hard the channels of the fleet are."""
    known = start.decoder.embedding.detach().abs().sum(1) > 0
    return replace(
        fleet,
        center=start.encoder.center.clone(),
        spread=start.encoder.spread.clone(),
        observed=fleet.observed | known,
    )


def on_workers(state: str, workers: int | None = None) -> Callable[[Job], Best]:
    """A fit by ``workers`` of the connected cluster (one a GPU, or a CPU, when None).

    Checkpoints are in ``state``, a directory or an address that all workers can write; the same training
    goes on from the last one there, also after workers died.

    The fit raises JepaError when they die again and again, or a recording cannot be had any more.
    """
    import ray
    from ray.train import CheckpointConfig, FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    def fit(job: Job) -> Best:
        there = ray.cluster_resources()
        gpus = int(there.get("GPU", 0))
        count = workers or gpus or max(1, int(there.get("CPU", 1)))
        shared = ray.put(job)
        trainer = TorchTrainer(
            lambda told: run(ray.get(told["job"])),
            train_loop_config={"job": shared},
            scaling_config=ScalingConfig(
                num_workers=count,
                use_gpu=gpus > 0,
                resources_per_worker={"CPU": TRAINING_CPUS, **({"GPU": 1} if gpus else {})},
                placement_strategy="SPREAD",
            ),
            run_config=RunConfig(
                name=f"train-{_digest(job, count)}",
                storage_path=state,
                failure_config=FailureConfig(max_failures=RETRIES),
                checkpoint_config=CheckpointConfig(num_to_keep=1),
            ),
        )
        try:
            result = trainer.fit()
        except ray.train.TrainingFailedError as error:
            raise _ended(error) from error
        found: Best = pickle.loads(result.return_value)
        return found

    return fit


def _ended(error: Exception) -> Exception:
    """What is said of a training that ended early: ``error`` itself where the fault is ours."""
    import ray

    failures = [
        getattr(each, "_base_exc", each)  # as it was raised, under what Ray Train makes of it
        for each in getattr(error, "worker_failures", {}).values()
    ]
    for failure in failures:
        if isinstance(failure, JepaError):
            return failure
    died = [each for each in failures if isinstance(each, ray.exceptions.RayActorError)]
    if not died:
        return error
    return JepaError(
        f"A worker of the training died again and again: {type(died[0]).__name__}.",
        "It may have too little memory; the same command goes on from the last checkpoint.",
    )


def _digest(job: Job, workers: int) -> str:
    """The same for the same training: its checkpoints belong together."""
    told = {
        "config": asdict(job.config),
        "size": asdict(job.size),
        "schema": job.schema.digest,
        "parts": [[host.host, [part.content for part in host.parts]] for host in job.train],
        "watched": [int(each.ts_ns[0]) for each in job.validation],
        "workers": workers,
        "start": None if job.weights is None else _content(job.weights),
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


def _content(weights: Mapping[str, Tensor]) -> str:
    content = hashlib.sha256()
    for each in weights.values():
        content.update(each.numpy().tobytes())
    return content.hexdigest()
