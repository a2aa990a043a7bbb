# SPDX-License-Identifier: Apache-2.0
"""One of the processes that train together: what it is shown, its steps, and a checkpoint after each round.

A round is what lies between two validations. All that is drawn in one follows from the seed, the worker and
the round, so that a training in which a worker died goes on from the last checkpoint as if none had.
"""

import math
import pickle
import random
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from jepa.errors import JepaError
from jepa.telemetry.recording import Recording
from jepa.telemetry.schema import Schema
from jepa_lab.data import Mirror, Stretch, to_stretch, without_actions
from jepa_lab.facts import ChannelFacts
from jepa_lab.fleet.cuts import CUT, draw, load
from jepa_lab.fleet.survey import Host
from jepa_lab.learner import CPU, Learner
from jepa_lab.model.config import ModelConfig
from jepa_lab.model.world import Batch, MachineModel
from jepa_lab.objective import Validation
from jepa_lab.train import alike, repeatable
from jepa_lab.train_config import TrainConfig

_STATE = "learner.pt"
_LOADING_CPUS = 0.25
_PARTS_A_TASK = 8
"""Loaded one after the other: to begin a task takes as long as to load a part."""
TRAINING_CPUS = 0.75
"""Of the CPU that a worker has; the rest is left to load what it is shown next."""


@dataclass(frozen=True, slots=True)
class Job:
    """What every worker is told."""

    address: str
    """Of the store."""
    schema: Schema
    size: ModelConfig
    config: TrainConfig
    facts: ChannelFacts
    train: tuple[Host, ...]
    validation: tuple[Recording, ...]
    weights: dict[str, Tensor] | None = None
    """Those to begin with; None for ones drawn by the seed."""

    def stretch(self, recording: Recording) -> Stretch:
        """``recording`` as it is trained on."""
        made = to_stretch(recording, self.size)
        return made if self.config.actions_as_input else without_actions(made)

    def watched(self, rank: int = 0, workers: int = 1) -> list[Batch]:
        """The validation recordings as batches, or the share of one of ``workers``."""
        return alike([self.stretch(each) for each in self.validation[rank::workers]])

    def learner(
        self, device: torch.device = CPU, share: Callable[[nn.Module], nn.Module] | None = None
    ) -> Learner:
        """One that has learned nothing yet."""
        mirror = Mirror.of(self.schema) if self.config.mirror else None
        return Learner(
            self.model(), self.facts, mirror, self.config, device=device, share=share or (lambda it: it)
        )

    def model(self) -> MachineModel:
        """The model as it is before the first step."""
        repeatable(self.config.seed)
        model = MachineModel(self.size, self.facts.center, self.facts.spread, self.facts.floor)
        if self.weights is not None:
            model.load_state_dict(self.weights)
        return model


def each_step(config: TrainConfig, workers: int) -> int:
    """How many cuts each of ``workers`` is shown in a step: together about as many frames as one alone."""
    return max(2, round(config.frames / CUT / workers))


Best = tuple[dict[str, Tensor], list[dict[str, float]]]
"""The best weights and the history."""


def alone(job: Job) -> Best:
    """Train in this process, without checkpoints."""
    learner = job.learner()
    held = job.watched()

    def after() -> bool:
        learner.validate(held)
        return learner.stale >= job.config.patience

    _rounds(job, learner, 0, 1, after)
    return learner.best().state_dict(), learner.history


def run(job: Job) -> bytes:
    """Train with all workers of this run of Ray Train; Best as bytes, since Ray takes no tensors."""
    import ray.train
    import ray.train.torch

    context = ray.train.get_context()
    rank, workers = context.get_world_rank(), context.get_world_size()
    device = ray.train.torch.get_device()
    learner = job.learner(device, _shared if workers > 1 else None)
    if device.type != "cpu":
        torch.use_deterministic_algorithms(False)  # not all that is done has such a form there
        torch.cuda.set_device(device)  # over which workers send each other what they found
    checkpoint = ray.train.get_checkpoint()
    if checkpoint is not None:
        with checkpoint.as_directory() as folder:
            learner.restore(torch.load(Path(folder) / _STATE, map_location=device, weights_only=True))
    held = job.watched(rank, workers)
    start = time.monotonic()

    def after() -> bool:
        line = learner.validate(held, lambda own: _of_all(own, workers))
        if rank == 0:
            line["seconds"] = round(time.monotonic() - start, 1)
            with tempfile.TemporaryDirectory(prefix="jepa-checkpoint-") as folder:
                torch.save(learner.state(), Path(folder) / _STATE)
                ray.train.report(line, checkpoint=ray.train.Checkpoint.from_directory(folder))
        else:
            ray.train.report({})
        return learner.stale >= job.config.patience

    _rounds(job, learner, rank, workers, after)
    return pickle.dumps((learner.best().state_dict(), learner.history))


def _rounds(job: Job, learner: Learner, rank: int, workers: int, after: Callable[[], bool]) -> None:
    """Every round that is left, until ``after`` one of them says that it is enough."""
    config, cuts = job.config, each_step(job.config, workers)
    first = math.ceil(learner.step / config.validate_every)
    coming = shown(job, rank, range(first, math.ceil(config.steps / config.validate_every)), cuts)
    over = learner.stale >= config.patience
    if job.weights is not None and not learner.history:
        over = after()  # weights to begin with are kept where nothing better comes
    while learner.step < config.steps and not over:
        learner.seed(config.seed, rank, learner.step // config.validate_every)
        recordings = next(coming)
        learner.rng.shuffle(recordings)
        for step in range(min(config.validate_every, config.steps - learner.step)):
            learner.learn([job.stretch(each) for each in recordings[step * cuts : (step + 1) * cuts]])
        over = after()


def shown(job: Job, rank: int, rounds: range, cuts: int) -> Iterator[list[Recording]]:
    """What one worker is shown in each of ``rounds``; while it learns from one, the next is loaded."""
    ahead, coming = ThreadPoolExecutor(1, "loading"), deque[Future[list[Recording]]]()
    try:
        for number in rounds:
            coming.append(ahead.submit(_loaded, job, rank, number, cuts))
            if len(coming) > 1:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()
    finally:
        ahead.shutdown(cancel_futures=True)


def _loaded(job: Job, rank: int, number: int, cuts: int) -> list[Recording]:
    """What is shown in one round, loaded by tasks of Ray Data, in order.

    What reads all rounds at once would never be done: Ray Data's executor, a thread of this process, turns
    without a pause while it may not load more, as when its share of the CPUs is nothing, and keeps Python's
    lock from the thread that learns. With two workers this took more time than the learning.
    """
    import ray.data

    rng = random.Random(repr((job.config.seed, rank, number)))
    rows = draw(job.train, job.config.validate_every * cuts, rng)
    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True
    context.enable_progress_bars = False
    address, schema = job.address, job.schema

    def loaded(row: dict[str, Any]) -> list[dict[str, Any]]:
        try:
            found: list[Recording | JepaError] = [*load(address, pickle.loads(row["drawn"]), schema)]
        except JepaError as error:  # raised here it would come out as a fault of Ray Data
            found = [error]
        return [{"cut": pickle.dumps(each)} for each in found]

    stored = ray.data.from_items(
        [{"drawn": pickle.dumps(row)} for row in rows],
        override_num_blocks=math.ceil(len(rows) / _PARTS_A_TASK),
    )
    found: list[Recording] = []
    for row in stored.flat_map(loaded, num_cpus=_LOADING_CPUS).iter_rows():
        cut: Recording | JepaError = pickle.loads(row["cut"])
        if isinstance(cut, JepaError):
            raise cut
        found.append(cut)
    return found


def _of_all(own: Validation, workers: int) -> list[Validation]:
    """What each worker found, the same for every one of them: so all come to the same end."""
    if workers == 1:
        return [own]
    found: list[Validation] = [own] * workers
    torch.distributed.all_gather_object(found, replace(own, latents=own.latents.cpu()))
    return found


def _shared(objective: nn.Module) -> nn.Module:
    """``objective`` with its gradients averaged over all workers."""
    # What effects are learned by has no gradient here, and the inverse dynamics none without actions.
    return nn.parallel.DistributedDataParallel(objective, find_unused_parameters=True)
