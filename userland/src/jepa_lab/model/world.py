# SPDX-License-Identifier: Apache-2.0
"""The whole model: encode, look back, predict, recall, decode."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from jepa_lab.model.config import ModelConfig
from jepa_lab.model.decoder import Decoder
from jepa_lab.model.encoder import Encoder
from jepa_lab.model.predictor import Predictor
from jepa_lab.model.recall import Recall


@dataclass(frozen=True, slots=True)
class Batch:
    """Stretches of recordings, padded at the end to equal length; see ``data``."""

    frame: Tensor  # (B, T, C) unit scale, 0 where absent
    valid: Tensor  # (B, T, C) 1 or 0
    stats: Tensor  # (B, T, C, L, 2) trailing windows, unit scale, 0 where never observed
    seen: Tensor  # (B, T, C, L) 1 where enough of the window was observed
    target: Tensor  # (B, T, C, H, 2) the coming windows
    scored: Tensor  # (B, T, C, H) 1 where the coming window was observed
    control: Tensor  # (B, T, A) the settings in force after each frame
    recent: Tensor  # (B, T, R, A) what was set on average over the last frames, see RECENT_S
    came: Tensor  # (B, T, E, H) 1 where an event came within the window
    known: Tensor  # (B, T, E, H) 1 where it is known whether it came
    real: Tensor  # (B, T) 1 for frames, 0 for padding

    def to(self, device: torch.device) -> "Batch":
        """The same on ``device``."""
        return Batch(**{name: getattr(self, name).to(device) for name in self.__slots__})


@dataclass(frozen=True, slots=True)
class ModelOutput:
    """What the model says of every frame of a batch."""

    z: Tensor  # (B, T, D)
    h: Tensor  # (B, T, D)
    quantiles: Tensor  # (B, N, C, H, 2, Q) of the frames and channels picked
    event_logits: Tensor  # (B, N, E, H) logits of the frames picked


@dataclass(frozen=True, slots=True)
class Pick:
    """Which frames and channels to decode; a random part is enough to learn from."""

    frames: Tensor  # (N,)
    channels: Tensor  # (C',) among them those that events are defined on
    forget: Tensor | None = None  # (B, N, C', 1), see Decoder
    asked: bool = False  # what the settings then would do, of all channels


class MachineModel(nn.Module):
    """The JEPA of a machine; ``center``, ``spread``, ``floor`` (C,) describe channels on the unit scale."""

    def __init__(self, config: ModelConfig, center: Tensor, spread: Tensor, floor: Tensor) -> None:
        super().__init__()
        self.config = config
        center, spread, floor = center.clone(), spread.clone(), floor.clone()
        self.encoder = Encoder(config, center, spread)
        self.predictor = Predictor(config)
        self.recall = Recall(config)
        self.decoder = Decoder(config, center, spread, floor)

    def forward(self, batch: Batch, pick: Pick) -> ModelOutput:
        """All frames encoded and looked back from; those picked decoded."""
        shape = batch.frame.shape[:2]
        real = batch.real.flatten().bool()
        encoded = self.encoder(batch.frame.flatten(0, 1)[real], batch.valid.flatten(0, 1)[real])
        z = encoded.new_zeros(len(real), encoded.shape[-1]).index_put((real.nonzero()[:, 0],), encoded)
        z = z.unflatten(0, shape)
        h = self.predictor(z, batch.control)
        stats, seen = batch.stats[:, :, pick.channels], batch.seen[:, :, pick.channels]
        recalled, changed = self.recall(h, stats, seen, pick.frames)
        quantiles, event_logits = self.decoder(
            h[:, pick.frames].flatten(0, 1),
            batch.control[:, pick.frames].flatten(0, 1),
            batch.recent[:, pick.frames].flatten(0, 1),
            stats[:, pick.frames].flatten(0, 1),
            recalled.flatten(0, 1),
            changed.flatten(0, 1),
            pick.channels,
            None if pick.forget is None else pick.forget.flatten(0, 1),
            self.decoder.effect.situation(batch.stats[:, pick.frames].flatten(0, 1)) if pick.asked else None,
        )
        return ModelOutput(
            z, h, quantiles.unflatten(0, (shape[0], -1)), event_logits.unflatten(0, (shape[0], -1))
        )
