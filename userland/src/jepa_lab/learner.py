# SPDX-License-Identifier: Apache-2.0
"""One learner: a step of the optimiser, the averaged weights, validation, and all of it as a checkpoint.

Who calls it decides what is shown, and when to stop: `jepa_lab.train` in one process, `jepa_lab.fleet` in
several, where each has a learner and gradients are averaged over all of them.
"""

import contextlib
import copy
import random
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from jepa_lab.data import Mirror, Stretch, batch_of
from jepa_lab.facts import ChannelFacts
from jepa_lab.model.config import ModelConfig
from jepa_lab.model.inverse import InverseDynamics
from jepa_lab.model.world import Batch, MachineModel, Pick
from jepa_lab.objective import Validation, losses, validated, validation
from jepa_lab.train_config import TrainConfig

CPU = torch.device("cpu")
_WARM_STEPS, _LEAST_RATE = 50, 0.05
_AVERAGED_FROM, _EARLY_AVERAGE = 100, 0.9


class Objective(nn.Module):
    """Every loss of a batch, as the one module that several learners share the gradients of."""

    def __init__(
        self,
        model: MachineModel,
        inverse: InverseDynamics,
        unit: Tensor,
        config: TrainConfig,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.model, self.inverse = model, inverse
        self._unit, self._config, self._generator = unit, config, generator

    def forward(self, batch: Batch, pick: Pick) -> dict[str, Tensor]:
        """The losses by name, each with its weight applied."""
        return losses(self.model, self.inverse, batch, pick, self._unit, self._config, self._generator)


class Learner:
    """Trains ``model``; see the module."""

    def __init__(
        self,
        model: MachineModel,
        facts: ChannelFacts,
        mirror: Mirror | None,
        config: TrainConfig,
        *,
        device: torch.device = CPU,
        share: Callable[[nn.Module], nn.Module] = lambda objective: objective,
    ) -> None:
        self.rng = random.Random(config.seed)
        self.step = 0
        """Steps done."""
        self.stale = 0
        """Validations since the best one."""
        self.history: list[dict[str, float]] = []
        self._mirror, self._config, self._device = mirror, config, device
        self._generator = torch.Generator(device).manual_seed(config.seed)
        self._observed = facts.observed.nonzero()[:, 0].to(device)
        self._unit = torch.maximum(facts.persistence, facts.floor[:, None, None]).to(device)
        self._model = model.to(device)
        self._inverse = InverseDynamics(model.config).to(device)
        self._objective = share(Objective(self._model, self._inverse, self._unit, config, self._generator))
        self._optimiser = torch.optim.AdamW(
            [*self._model.parameters(), *self._inverse.parameters()],
            config.learning_rate,
            weight_decay=config.weight_decay,
            betas=(0.9, 0.98),
        )
        self._averaged = copy.deepcopy(self._model).eval()
        self._best, self._best_state = float("inf"), copy.deepcopy(self._averaged.state_dict())
        self._parts: dict[str, Tensor] = {}

    def seed(self, *numbers: int) -> None:
        """Draw from here on as ``numbers`` say, whatever was drawn before."""
        self.rng.seed(repr(numbers))
        drawn = self.rng.getrandbits(62)
        self._generator.manual_seed(drawn)
        torch.manual_seed(drawn)  # for dropout

    def learn(self, chosen: Sequence[Stretch]) -> None:
        """Take one step on ``chosen``, as one batch."""
        config = self._config
        rate = min(1.0, (self.step + 1) / _WARM_STEPS) * (1 - (1 - _LEAST_RATE) * self.step / config.steps)
        self._optimiser.param_groups[0]["lr"] = config.learning_rate * rate
        self._objective.train()
        batch = batch_of(chosen, self.rng, config.channel_drop, self._mirror).to(self._device)
        with self._here():
            pick = _pick(batch, self._observed, self._model.config, config, self._generator)
            self._parts = self._objective(batch, pick)
            self._optimiser.zero_grad()
            sum(self._parts.values(), torch.zeros(())).backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(self._model.parameters(), 1.0)
            self._optimiser.step()
        _average(
            self._averaged, self._model, config.average if self.step > _AVERAGED_FROM else _EARLY_AVERAGE
        )
        self.step += 1

    def validate(
        self,
        held: Sequence[Batch],
        gather: Callable[[Validation], Sequence[Validation]] = lambda own: [own],
    ) -> dict[str, float]:
        """What the averaged weights reach on ``held``, added to the history; the best are kept.

        Where several learners have a share of the recordings each, ``gather`` answers what all found.
        """
        with self._here():
            batches = [batch.to(self._device) for batch in held]
            found = validated(gather(validation(self._averaged, self._inverse, batches, self._unit)))
        parts = {name: round(part.item(), 4) for name, part in self._parts.items()}
        line = parts | {"step": self.step - 1} | found
        self.history.append(line)
        forecast = found["pinball"] + self._config.band_weight * found["missed"]
        self.stale += 1
        if forecast < self._best:
            self._best, self.stale = forecast, 0
            self._best_state = copy.deepcopy(self._averaged.state_dict())
        return line

    def best(self) -> MachineModel:
        """The model, on the CPU, with the weights that were best on validation."""
        self._model.load_state_dict(self._best_state)
        return self._model.to(CPU).eval()

    def state(self) -> dict[str, Any]:
        """Everything that must be kept to go on from here, but what `seed` sets."""
        return {
            "model": self._model.state_dict(),
            "inverse": self._inverse.state_dict(),
            "averaged": self._averaged.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "best": self._best,
            "best_state": self._best_state,
            "stale": self.stale,
            "step": self.step,
            "history": self.history,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from ``state``, of a learner with the same configuration."""
        self._model.load_state_dict(state["model"])
        self._inverse.load_state_dict(state["inverse"])
        self._averaged.load_state_dict(state["averaged"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._best, self._best_state = state["best"], state["best_state"]
        self.stale, self.step, self.history = state["stale"], state["step"], state["history"]

    def _here(self) -> "contextlib.AbstractContextManager[object]":
        """While in it, new tensors lie where the model does; to say so of the CPU takes time for nothing."""
        return contextlib.nullcontext() if self._device.type == "cpu" else self._device


def _pick(
    batch: Batch, observed: Tensor, size: ModelConfig, config: TrainConfig, generator: torch.Generator
) -> Pick:
    sequences, frames = batch.frame.shape[:2]
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
