# SPDX-License-Identifier: Apache-2.0
"""A state of the machine as a goal: what it was like over a while, captured to be reached again."""

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from jepa.errors import JepaError
from jepa.telemetry.frame import Frame
from jepa.world.forecast import FloatArray, Tick

NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,47}", re.ASCII)
LEAST_FRAMES: Final = 5
"""Of fewer a state is not known."""
SHORTEST_S: Final = 5
LONGEST_S: Final = 300


@dataclass(frozen=True, slots=True)
class Captured:
    """The mean of the latents of some frames, and what a person may want to know of them."""

    name: str
    uid: int
    """Whose it is."""
    ts_ns: int
    """Wall-clock time of the last frame."""
    over_s: int
    frames: int
    pack: str
    """Whose latents they are: those of another one mean something else."""
    schema: str
    """Digest of the pack's channels."""
    latent: tuple[float, ...]
    spread: float
    """Mean squared distance, a number of the latent, of the frames from that mean: nearer than that is
    there."""
    error: float
    """Median squared distance by which the model missed the next latent meanwhile."""
    channels: Mapping[str, tuple[float, float]]
    """Mean and standard deviation of each channel that was observed, in its own unit."""

    def as_row(self) -> dict[str, Any]:
        """As it is kept."""
        return asdict(self)

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "Captured":
        """Raises KeyError, TypeError or ValueError for a row that is none."""
        channels = {str(name): (float(mean), float(sd)) for name, (mean, sd) in row["channels"].items()}
        latent = tuple(map(float, row["latent"]))
        return cls(
            name=str(row["name"]),
            uid=int(row["uid"]),
            ts_ns=int(row["ts_ns"]),
            over_s=int(row["over_s"]),
            frames=int(row["frames"]),
            pack=str(row["pack"]),
            schema=str(row["schema"]),
            latent=latent,
            spread=float(row["spread"]),
            error=float(row["error"]),
            channels=channels,
        )

    def why_not(self, pack: str, schema: str) -> str:
        """Why it means nothing to ``pack`` with the channels ``schema``; empty where it does."""
        if self.pack != pack:
            return f"it was captured with the pack {self.pack}, and {pack} is in use"
        if self.schema != schema:
            return "it was captured with other channels"
        return ""


def check_name(name: str) -> str:
    """``name``; JepaError (422) when no goal can be called so."""
    if not NAME.fullmatch(name):
        raise JepaError(
            f"{name[:60]!r} cannot be the name of a goal.",
            "Take 1 to 48 lower-case letters, digits, - and _, as in calm.",
            status=422,
        )
    return name


def capture(
    name: str,
    uid: int,
    over_s: int,
    model: tuple[str, str],
    channels: Sequence[str],
    seen: Sequence[tuple[Frame, Tick]],
) -> Captured:
    """The state over what was ``seen`` of ``channels``, and by a ``model``: its pack, its channels' digest.

    JepaError (503) where that is too little.
    """
    known = [(frame, tick) for frame, tick in seen if tick.latent.size and np.isfinite(tick.latent).all()]
    least = max(LEAST_FRAMES, over_s // 2)
    if len(known) < least:
        raise JepaError(
            f"The model has seen {len(known)} frames of the last {over_s} s, and {least} are needed.",
            f"Ask again in {least - len(known)} s.",
            status=503,
        )
    latents: FloatArray = np.stack([tick.latent for _, tick in known])
    mean = latents.mean(axis=0)
    errors = [tick.surprise.distance for _, tick in known if tick.surprise is not None]
    return Captured(
        name=name,
        uid=uid,
        ts_ns=known[-1][0].ts_ns,
        over_s=over_s,
        frames=len(known),
        pack=model[0],
        schema=model[1],
        latent=tuple(map(float, mean)),
        spread=float(np.square(latents - mean).mean()),
        error=float(np.median(errors)) if errors else 0.0,
        channels=_channels(channels, [frame for frame, _ in known]),
    )


def _channels(names: Sequence[str], frames: Sequence[Frame]) -> dict[str, tuple[float, float]]:
    values = np.stack([np.where(frame.valid, frame.values, np.nan) for frame in frames])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a channel that was never observed
        means, deviations = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
    return {
        name: (float(mean), float(deviation))
        for name, mean, deviation in zip(names, means, deviations, strict=True)
        if np.isfinite(mean)
    }
