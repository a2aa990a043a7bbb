# SPDX-License-Identifier: Apache-2.0
"""Recordings to tensors: everything the model needs of them, computed once."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from jepa.errors import JepaError
from jepa.telemetry.recording import TWIN, Recording, load_recording, read_meta
from jepa.telemetry.roles import PLAYED
from jepa.telemetry.schema import Schema
from jepa.world.controls import CONTROLS, in_force, recent_means
from jepa.world.event_definitions import held, within
from jepa.world.scale import Scale
from jepa.world.windows import all_window_stats, stats_on_scale
from jepa_lab.model.config import ModelConfig
from jepa_lab.model.world import Batch


@dataclass(frozen=True, slots=True)
class Stretch:
    """One recording as tensors, without a batch dimension; fields as in Batch."""

    frame: Tensor
    valid: Tensor
    stats: Tensor
    seen: Tensor
    target: Tensor
    scored: Tensor
    control: Tensor
    foreseen: Tensor
    """As control, but an action counts from the frame before it on: known before it shows."""
    recent: Tensor
    came: Tensor
    known: Tensor


TRIAL = "trial"
"""The kind of session in which one setting is tried at a time."""


def kind_of(folder: Path) -> str:
    """The kind of session that the recording in ``folder`` is of."""
    return str(read_meta(folder).labels.get("kind", "busy"))


def find_recordings(root: Path, split: str) -> list[Path]:
    """The finished recordings below ``root`` that belong to ``split``, by name."""
    found = []
    for folder in sorted(path.parent for path in root.glob("*/meta.json")):
        meta = read_meta(folder)
        if meta.finished and meta.labels.get("split") == split:
            found.append(folder)
    if not found:
        raise JepaError(f"There is no {split} recording in {root}.", "Make some with `jepa-lab record`.")
    return found


def with_twins(folders: Sequence[Path]) -> list[Path]:
    """Each of ``folders``, followed by its second run where there is one."""
    runs = []
    for folder in folders:
        twin = folder.with_name(folder.name + TWIN)
        runs += [folder, twin] if twin.is_dir() else [folder]
    return runs


def load_stretches(folders: Sequence[Path], schema: Schema, size: ModelConfig) -> list[Stretch]:
    """Every recording, ready to train on."""
    return [to_stretch(load_recording(folder, schema), size) for folder in folders]


def to_stretch(recording: Recording, size: ModelConfig) -> Stretch:
    """Inputs and targets of one recording; a target beyond its end is not scored."""
    scale = Scale(recording.schema)
    values = recording.values
    horizons = size.horizons_s
    stats, seen = stats_on_scale(all_window_stats(values, size.windows_s), scale)
    target, scored = np.zeros_like(stats[:, :, : len(horizons)]), np.zeros_like(seen[:, :, : len(horizons)])
    frames = len(values)
    for column, horizon in enumerate(horizons):
        if frames > horizon:
            target[: frames - horizon, :, column] = stats[horizon:, :, column]
            scored[: frames - horizon, :, column] = seen[horizon:, :, column]
    frame = scale.to_unit(values)
    valid = ~np.isnan(frame)
    came, known = within(held(recording), horizons)
    control = in_force(recording)
    return Stretch(
        torch.from_numpy(np.nan_to_num(frame, nan=0.0)),
        torch.from_numpy(valid.astype(np.float32)),
        torch.from_numpy(stats),
        torch.from_numpy(seen),
        torch.from_numpy(target),
        torch.from_numpy(scored),
        torch.from_numpy(control),
        torch.from_numpy(np.concatenate([control[1:], control[-1:]])),
        torch.from_numpy(recent_means(control)),
        torch.from_numpy(came.astype(np.float32)),
        torch.from_numpy(known.astype(np.float32)),
    )


def without_actions(stretch: Stretch) -> Stretch:
    """The same without what actions have set."""
    settings = ("control", "foreseen", "recent")
    return replace(stretch, **{name: torch.zeros_like(getattr(stretch, name)) for name in settings})


@dataclass(frozen=True, slots=True)
class Mirror:
    """Where each channel and each control lies when foreground and background change their parts.

    The lab's programs play either role by chance, so a session with the parts changed is one as good.
    """

    channels: Tensor  # (C,)
    controls: Tensor  # (A,)

    @classmethod
    def of(cls, schema: Schema) -> "Mirror":
        """The mirror of ``schema`` and CONTROLS."""
        other = dict[str, str](zip(PLAYED, reversed(PLAYED), strict=True))
        names = [".".join(other.get(part, part) for part in name.split(".")) for name in schema.names]
        controls = [(action, other.get(role or "", role)) for action, role in CONTROLS]
        return cls(
            torch.tensor([schema.index(name) for name in names]),
            torch.tensor([CONTROLS.index(control) for control in controls]),
        )

    def apply(self, part: dict[str, Tensor]) -> dict[str, Tensor]:
        """The fields of a stretch with the parts changed."""
        swapped = {
            name: part[name].index_select(1, self.channels)  # rows are copied whole, which [:, ...] does not
            for name in ("frame", "valid", "stats", "seen", "target", "scored")
        }
        settings = {name: part[name][..., self.controls] for name in ("control", "foreseen", "recent")}
        return {**part, **swapped, **settings}

    def of_stretch(self, stretch: Stretch) -> Stretch:
        """``stretch`` with the parts changed."""
        return Stretch(**self.apply({name: getattr(stretch, name) for name in Stretch.__slots__}))


def batch_of(
    stretches: Sequence[Stretch],
    rng: random.Random | None = None,
    drop: float = 0.0,
    mirror: Mirror | None = None,
    ahead: float = 0.5,
) -> Batch:
    """All stretches as one batch; with ``rng``, each from a random start and with channels dropped.

    A dropped channel is absent from what the encoder sees, as on a machine that has not got it. With
    ``mirror``, half of them have their roles' parts changed. In the share ``ahead`` of them actions are
    known a frame before they show, as they are when one asks what they would do.
    """
    parts: list[dict[str, Tensor]] = []
    for stretch in stretches:
        frames = len(stretch.frame)
        start = rng.randrange(frames // 3) if rng and rng.random() < 0.5 else 0
        part = {name: getattr(stretch, name)[start:] for name in Stretch.__slots__}
        if rng and mirror and rng.random() < 0.5:
            part = mirror.apply(part)
        if rng and rng.random() < ahead:
            part["control"] = part["foreseen"]
        if rng:
            keep = torch.tensor([float(rng.random() >= drop) for _ in range(stretch.frame.shape[1])])
            part["valid"] = part["valid"] * keep
            part["frame"] = part["frame"] * keep
        parts.append(part)
    longest = max(len(part["frame"]) for part in parts)
    taken = [name for name in Stretch.__slots__ if name != "foreseen"]
    fields = {name: torch.stack([_pad(part[name], longest) for part in parts]) for name in taken}
    real = torch.stack([_pad(torch.ones(len(part["frame"])), longest) for part in parts])
    return Batch(**fields, real=real)


def _pad(tensor: Tensor, frames: int) -> Tensor:
    if len(tensor) == frames:
        return tensor
    return torch.cat([tensor, tensor.new_zeros(frames - len(tensor), *tensor.shape[1:])])
