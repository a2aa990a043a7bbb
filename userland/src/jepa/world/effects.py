# SPDX-License-Identifier: Apache-2.0
"""Whether the imagined effect of actions is the real one: seeded workloads with and without the actions.

The real effect is the difference between a run in which actions were taken and one of the same workload
without any; chance is told from a second run with the same actions. The imagined effect is the difference
between what is imagined under the settings in force and under none, from the same context.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jepa.packs.pack import Pack
from jepa.telemetry.frame import Frame
from jepa.telemetry.recording import Recording
from jepa.world.controls import CONTROLS, Acting, in_force
from jepa.world.forecast import FloatArray
from jepa.world.model import WorldModel
from jepa.world.replay import aligned
from jepa.world.scale import Scale
from jepa.world.windows import coming

_SIGMAS = 2.0
_LEAST = 0.02
"""Effects smaller than this on the unit scale are none, however alike two runs are."""
_HORIZONS = (5, 15, 30)
_APART = 30
"""Frames that a shuffled moment is at least away from the true one."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """One workload, run three times."""

    acted: Recording
    twin: Recording
    untouched: Recording


@dataclass(frozen=True, slots=True)
class Effects:
    """How often the imagined effect has the sign of the real one, where the real one exceeds chance."""

    sign_right: float | None
    """0..1, every channel weighing the same; None where there was no effect to judge."""
    sign_right_lower: float | None
    """The lower end of the 95 % interval, by a bootstrap over blocks of a minute."""
    shuffled: float | None
    """The same when each moment is imagined under the settings of another: 0.5 if the settings matter."""
    windows: int
    """Effects judged."""
    channels: dict[str, dict[str, float]]
    """By channel: effects judged, and the share of signs right, with and without shuffling."""


def judge_effects(experiments: Sequence[Experiment], pack: Pack, seed: int = 0) -> Effects | None:
    """Judge ``pack``; None without an experiment."""
    if not experiments:
        return None
    schema = experiments[0].acted.schema
    rng = np.random.default_rng(seed)
    right, wrong_way, count = [], [], []  # per block of a minute: (C,) each
    for each in experiments:
        strong = real_effects(each, pack.manifest.shape.window // 4)
        told, shuffled = imagined_effects(each.acted, pack, rng)
        same = np.sign(told) == np.sign(np.nan_to_num(strong))
        other = np.sign(shuffled) == np.sign(np.nan_to_num(strong))
        judged = np.isfinite(strong)
        for start in range(0, len(judged), 60):
            block = slice(start, start + 60)
            right.append((same & judged)[block].sum((0, 2)))
            wrong_way.append((other & judged)[block].sum((0, 2)))
            count.append(judged[block].sum((0, 2)))
    hits, others, of = (np.stack(each).astype(np.float64) for each in (right, wrong_way, count))
    draws = rng.integers(0, len(of), (400, len(of)))
    lower = [share for draw in draws if (share := _share(hits[draw].sum(0), of[draw].sum(0))) is not None]
    totals = of.sum(0)
    return Effects(
        sign_right=_share(hits.sum(0), totals),
        sign_right_lower=float(np.percentile(lower, 2.5)) if lower else None,
        shuffled=_share(others.sum(0), totals),
        windows=int(totals.sum()),
        channels={
            name: {
                "judged": float(totals[position]),
                "sign_right": float(hits[:, position].sum() / totals[position]),
                "shuffled": float(others[:, position].sum() / totals[position]),
            }
            for position, name in enumerate(schema.names)
            if totals[position] >= _ENOUGH
        },
    )


_ENOUGH = 20
"""Effects on a channel that are enough to speak of it."""


def _share(hits: FloatArray, of: FloatArray) -> float | None:
    some = of >= _ENOUGH
    return float((hits[some] / of[some]).mean()) if some.any() else None


def real_effects(each: Experiment, first: int) -> FloatArray:
    """(T, C, H) effects on the windows' means, on the unit scale; NaN where chance could explain them.

    NaN too before frame ``first``, and while nothing is set.
    """
    scale = Scale(each.acted.schema)

    def unit(values: FloatArray) -> FloatArray:
        means = np.moveaxis(values[..., 0], 1, -1)  # (T, H, C)
        return np.moveaxis(scale.to_unit(means), -1, 1)

    truth, seen = coming(each.acted.values, _HORIZONS)
    truth[~seen] = np.nan
    acted = unit(truth)
    again, without = (unit(aligned(other, each.acted, _HORIZONS)) for other in (each.twin, each.untouched))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # channels that were not observed
        chance = np.nanstd(acted - again, axis=0, keepdims=True)
    effect = acted - without
    set_now = (in_force(each.acted.actions, each.acted.ts_ns) != 0).any(axis=1)
    with np.errstate(invalid="ignore"):
        strong = np.abs(effect) > np.maximum(_SIGMAS * chance, _LEAST)
    strong &= set_now[:, None, None]
    strong[:first] = False
    return np.where(strong, effect, np.nan).astype(np.float32)


def imagined_effects(
    recording: Recording, pack: Pack, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """(T, C, H) imagined effects on the unit scale: of the settings in force, and of another moment's."""
    shape, schema = pack.manifest.shape, recording.schema
    model, scale = WorldModel.load(pack, schema, adapt=False), Scale(schema)
    columns = [shape.horizons_s.index(horizon) for horizon in _HORIZONS]
    force = in_force(recording.actions, recording.ts_ns)
    busy = np.flatnonzero((force != 0).any(axis=1))
    acting = Acting(recording.actions)
    told = np.zeros((2, len(force), len(schema.channels), len(columns)), np.float32)
    for number, (ts_ns, values) in enumerate(zip(recording.ts_ns, recording.values, strict=True)):
        acting.up_to(int(ts_ns), model)
        model.tick(Frame(int(ts_ns), values, ~np.isnan(values)))
        if not force[number].any():
            continue
        far = busy[np.abs(busy - number) >= _APART]
        courses = np.zeros((3, shape.imagined, len(CONTROLS)), np.float32)
        courses[1], courses[2] = force[number], force[rng.choice(far)] if len(far) else 0
        mean = model.imagine(courses).mean[:, :, columns]  # (3, C, H)
        unit = np.moveaxis(scale.to_unit(np.moveaxis(mean, 1, -1)), -1, 1)
        told[0, number], told[1, number] = unit[1] - unit[0], unit[2] - unit[0]
    return told[0], told[1]
