# SPDX-License-Identifier: Apache-2.0
"""Replays a recording through a pack, the baselines and peers, each seeing only what came before."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np

from jepa.evaluation import baselines
from jepa.evaluation.scoring import ACTING, WINDOW, Replayed
from jepa.packs.pack import Pack
from jepa.telemetry.frame import BoolArray, Frame
from jepa.telemetry.recording import Recording
from jepa.world.controls import ActionReplay, host_of
from jepa.world.forecast import FloatArray
from jepa.world.model import WorldModel
from jepa.world.windows import coming

BASELINES: Mapping[str, Callable[[FloatArray, Sequence[int]], FloatArray]] = {
    WINDOW: baselines.window,
    "last": baselines.last,
    "seasonal": baselines.seasonal,
}
"""Forecasts that need no training, of values (T, C) for horizons (H,)."""
NO_ADAPTATION = "no_adaptation"
"""The name under which the pack without adaptation is judged."""
SCHEDULE_ORACLE = "schedule_oracle"
"""The name of a forecaster that knows when the lab's programs begin and end."""
NO_RIVALS = (NO_ADAPTATION, SCHEDULE_ORACLE)
"""Reported beside the others, but not rivals."""
_SAME_S = 0.6
"""Frames of two runs no further apart than this are at the same time after their starts."""


class Forecaster(Protocol):
    """Anything that forecasts what a pack forecasts."""

    def points(self, recording: Recording, horizons: Sequence[int]) -> FloatArray:
        """(T, C, H, 2) mean and P90 over the coming windows, each from the frames up to its own alone."""


def replay(
    recording: Recording,
    pack: Pack,
    twin: Recording | None = None,
    peers: Mapping[str, Forecaster] | None = None,
    *,
    adapt: bool = True,
) -> Replayed:
    """What ``pack``, the baselines and ``peers`` forecast at each frame, seeing only those before it."""
    horizons = pack.manifest.shape.horizons_s
    model = WorldModel.load(pack, recording.schema, host_of(recording.meta), adapt=adapt)
    frames = len(recording.ts_ns)
    quantiles = np.full(
        (frames, len(recording.schema.channels), len(horizons), 2, len(pack.manifest.shape.quantiles)),
        np.nan,
        np.float32,
    )
    probabilities: list[FloatArray] = []
    actions = ActionReplay(recording.actions)
    for number, (ts_ns, values) in enumerate(zip(recording.ts_ns, recording.values, strict=True)):
        actions.up_to(int(ts_ns), model)
        forecast = model.tick(Frame(int(ts_ns), values, ~np.isnan(values))).forecast
        quantiles[number] = np.stack([forecast.mean, forecast.p90], axis=2)
        probabilities.append(forecast.event_probability)
    truth, scored = coming(recording.values, horizons)
    scored[: max(horizons) - 1] = False
    middle = pack.manifest.shape.quantiles.index(0.5)
    points = {name: each(recording.values, horizons) for name, each in BASELINES.items()}
    points |= {name: each.points(recording, horizons) for name, each in (peers or {}).items()}
    return Replayed(
        _kind(recording),
        truth,
        scored,
        {"model": quantiles[..., middle], **points},
        quantiles,
        None if twin is None else aligned(twin, recording, horizons),
        np.stack(probabilities),
    )


def _kind(recording: Recording) -> str:
    """day or busy, as it is labelled; acting where actions were taken meanwhile."""
    return ACTING if recording.actions else str(recording.meta.labels.get("kind", "busy"))


def aligned(twin: Recording, recording: Recording, horizons: Sequence[int]) -> FloatArray:
    """(T, C, H, 2): what came in the twin as long after its start as each frame after the recording's."""
    came, seen = coming(twin.values, horizons)
    came[~seen] = np.nan
    since_start = (recording.ts_ns - recording.ts_ns[0]) / 1e9
    other = (twin.ts_ns - twin.ts_ns[0]) / 1e9
    nearest = np.abs(other[None, :] - since_start[:, None]).argmin(axis=1)
    apart = np.abs(other[nearest] - since_start) > _SAME_S
    aligned: FloatArray = came[nearest]
    aligned[apart] = np.nan
    return aligned


def changes(recording: Recording, horizons: Sequence[int]) -> BoolArray | None:
    """(T, H) windows in which a program of the lab was to begin or end, or an action was taken.

    Of these nobody can know the time from what came before. None for a recording without a schedule.
    """
    schedule = recording.meta.labels.get("schedule")
    if schedule is None or not len(recording.ts_ns):
        return None
    now = recording.ts_ns / 1e9
    begun = [now[0] + float(each["start_s"]) for each in schedule]
    ended = [now[0] + float(each["start_s"]) + float(each["seconds"]) for each in schedule]
    acted = [action.ts_ns / 1e9 for action in recording.actions]
    at = np.array([*begun, *ended, *acted])
    reach = now[:, None] + np.array(horizons)[None, :]  # (T, H)
    # A program takes a second to begin, and its last second may still show in the frame after.
    inside = (at > now[:, None, None] - _SAME_S) & (at <= reach[..., None] + _SAME_S)
    return np.asarray(inside.any(axis=-1))
