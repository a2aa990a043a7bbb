# SPDX-License-Identifier: Apache-2.0
"""Would what a machine learns of its own effects have predicted the next ones better? A replay of trials.

`python -m tests.bench.learning` writes build/bench/learning.json. Each held-out session with actions is a
machine that nobody knows: the effects of the pack are fitted anew without it. Its changes are then passed
through in order, first of the run, then of its twin, each predicted before it is learned from: by the pack,
by what was learned until then, and by whichever of the two `jepa.planning.learning` would take. What is
observed is what jepad would see: the window after the change less what was forecast without. A session has
14 changes, so few outcomes of any one effect: all are passed through once more as if one machine ran them;
and so without the twins, which repeat the work and the changes of the run before.
"""

import argparse
import json
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from jepa.evaluation.effect_errors import fitted, trials_of, tried_ranges
from jepa.evaluation.effect_scoring import Experiment, changes_of
from jepa.evaluation.replay import aligned
from jepa.packs.effects import NORMAL_90, ChannelEffect, KnownEffects
from jepa.packs.pack import Pack, load_pack
from jepa.planning.learning import (
    LEAST_IMAGINED,
    EffectKey,
    EffectOutcome,
    ForeseenEffect,
    crps,
    known,
    learn,
    posterior,
)
from jepa.telemetry.frame import Frame
from jepa.telemetry.recording import TWIN, UNTOUCHED, Recording, load_recording, load_twin
from jepa.telemetry.schema import load_schema
from jepa.world.controls import CONTROLS, ActionReplay, host_of
from jepa.world.model import WorldModel
from jepa.world.scale import Scale
from jepa_lab.branches.store import load_moment, moments_in
from jepa_lab.branches.trials import trials as branch_trials
from jepa_lab.commands.defaults import PACK, RECORDED
from jepa_lab.data import find_recordings

HORIZONS_S: Final = (5, 15)
HOUR_NS: Final = 3_600_000_000_000
_KEPT: Final = 0.8
_DRAWS: Final = 2000


@dataclass(frozen=True, slots=True)
class Scored:
    """One outcome, predicted three ways before it was learned from: their scores, and what lay within."""

    session: str
    key: EffectKey
    pack: float
    learned: float
    taken: float
    covered_pack: bool
    covered_taken: bool
    corrected: bool
    """Whether what was learned would have been taken."""


def outcomes_of(recording: Recording, pack: Pack, start_ns: int) -> list[EffectOutcome]:
    """What jepad would have seen of each change of one setting in ``recording``, from ``start_ns`` on."""
    shape, scale = pack.manifest.shape, Scale(recording.schema)
    changes = {change.at: change for change in changes_of(recording)}
    means = np.moveaxis(aligned(recording, recording, HORIZONS_S)[..., 0], 1, -1)  # (T, H, C)
    unit = scale.to_unit(means)
    columns = [shape.horizons_s.index(horizon) for horizon in HORIZONS_S]
    model = WorldModel.load(pack, recording.schema, host_of(recording.meta))
    actions = ActionReplay(recording.actions)
    found = []
    for number, (ts_ns, values) in enumerate(zip(recording.ts_ns, recording.values, strict=True)):
        actions.up_to(int(ts_ns), model)
        tick = model.tick(Frame(int(ts_ns), values, ~np.isnan(values)))
        change = changes.get(number)
        moved = [] if change is None else np.flatnonzero(change.after != change.before)
        if change is None or len(moved) != 1:
            continue
        sequences = np.zeros((2, shape.imagined, len(CONTROLS)), np.float32)
        sequences[0], sequences[1] = change.before, change.after
        imagined = scale.to_unit(
            np.moveaxis(model.imagine(sequences).mean[:, :, columns], 1, -1)
        )  # (2, H, C)
        at = [tick.forecast.quantiles.index(each) for each in (0.05, 0.5, 0.95)]
        by_quantile = np.moveaxis(tick.forecast.mean, 0, -1)[columns][:, at]  # (H, 3, C)
        ahead = scale.to_unit(by_quantile)
        for column, horizon in enumerate(HORIZONS_S):
            if change.kept < _KEPT * horizon:
                continue
            for channel, name in enumerate(recording.schema.names):
                effect = float(imagined[1, column, channel] - imagined[0, column, channel])
                low, middle, high = (float(each) for each in ahead[column, :, channel])
                seen = float(unit[number, column, channel])
                if abs(effect) < LEAST_IMAGINED or not math.isfinite(seen):
                    continue
                foreseen = ForeseenEffect(
                    setting=shape.controls[int(moved[0])],
                    up=bool(change.after[moved[0]] > change.before[moved[0]]),
                    channel=name,
                    horizon_s=horizon,
                    imagined=effect,
                    without=middle,
                    noise=(high - low) / (2 * NORMAL_90),
                )
                found.append(EffectOutcome(start_ns + number * 1_000_000_000, foreseen, seen - middle))
    return found


Past = dict[EffectKey, list[EffectOutcome]]


def replayed(
    session: str, effects: KnownEffects, outcomes: Sequence[EffectOutcome], before: Past
) -> list[Scored]:
    """Every outcome predicted before it was learned from, with what was seen ``before``, which grows.

    The first of each effect is learned from alone.
    """
    found = []
    for each in outcomes:
        prior = known(effects, each.foreseen.key)
        if prior is None:
            continue
        past = before[each.foreseen.key]
        if past:
            now = posterior(prior, past, each.ts_ns)
            use = learn(prior, past, each.foreseen.key, each.ts_ns).used
            plain, fresh = crps(prior, each), crps(now, each)
            taken = now if use else prior
            found.append(
                Scored(
                    session,
                    each.foreseen.key,
                    plain,
                    fresh,
                    fresh if use else plain,
                    _within(prior, each),
                    _within(taken, each),
                    use,
                )
            )
        past.append(each)
    return found


def _within(effect: ChannelEffect, outcome: EffectOutcome) -> bool:
    x = outcome.foreseen.imagined
    deviation = math.hypot(effect.spread * x, outcome.foreseen.noise)
    return abs(outcome.observed - effect.size * x) <= NORMAL_90 * deviation


def ratio(rows: Sequence[Scored], which: str) -> float:
    """The score of ``which`` beside the pack's: below 1 is better."""
    return sum(getattr(row, which) for row in rows) / sum(row.pack for row in rows)


def interval(rows: Sequence[Scored], which: str, seed: int = 0) -> tuple[float, float]:
    """90 % of the ratio, sessions drawn anew."""
    by = defaultdict(list)
    for row in rows:
        by[row.session].append(row)
    sums = np.array(
        [[sum(getattr(each, which) for each in of), sum(each.pack for each in of)] for of in by.values()]
    )
    drawn = sums[np.random.default_rng(seed).integers(len(sums), size=(_DRAWS, len(sums)))].sum(axis=1)
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], (0.05, 0.95))
    return float(low), float(high)


def table(within: Sequence[Scored], through: Sequence[Scored], fresh: Sequence[Scored]) -> dict[str, Any]:
    """As docs show it."""
    sessions = sorted({row.session for row in within})
    parts = [(name, [row for row in within if row.session == name]) for name in sessions]
    parts += [("all, each anew", list(within)), ("all, one after the other", list(through))]
    parts += [("the same without twins", list(fresh))]
    rows = []
    for name, of in parts:
        ends = interval(of, "learned") if len({row.session for row in of}) > 1 else None
        rows.append(
            {
                "session": name,
                "outcomes predicted": len(of),
                "CRPS, always corrected": round(ratio(of, "learned"), 3),
                "90 % of that, sessions drawn": "-" if ends is None else f"{ends[0]:.3f} .. {ends[1]:.3f}",
                "CRPS, where it was ahead": round(ratio(of, "taken"), 3),
                "corrected": round(float(np.mean([row.corrected for row in of])), 3),
                "within 90 %, the pack's": round(float(np.mean([row.covered_pack for row in of])), 3),
                "within 90 %, as taken": round(float(np.mean([row.covered_taken for row in of])), 3),
            }
        )
    return {"columns": list(rows[0]), "rows": [list(row.values()) for row in rows]}


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("build/bench/learning.json"))
    out = parser.parse_args().out
    pack, schema = load_pack(PACK), load_schema()
    experiments = {}
    for folder in find_recordings(PACK / "heldout", "heldout"):
        acted = load_recording(folder, pack.schema)
        runs = [load_twin(folder, pack.schema, end) for end in (TWIN, UNTOUCHED, UNTOUCHED + TWIN)]
        if acted.meta.labels.get("kind") == "trial" and all(run is not None for run in runs):
            experiments[folder.name] = Experiment(acted, *runs)  # type: ignore[arg-type]
    trials = [
        trial for number, each in enumerate(experiments.values()) for trial in trials_of(number, each, pack)
    ]
    sessions: dict[tuple[str, ...], int] = {}
    for folder in [
        *moments_in(RECORDED / "branches", "train"),
        *moments_in(RECORDED / "branches", "validation"),
    ]:
        moment = load_moment(folder, schema)
        programs = tuple(each["name"] for each in moment.facts["programs"])
        session = sessions.setdefault(programs, len(experiments) + len(sessions))
        trials += branch_trials(moment, session, pack, schema)
    within: list[Scored] = []
    through: list[Scored] = []
    fresh: list[Scored] = []
    machine: Past = defaultdict(list)
    programs_new: Past = defaultdict(list)
    for number, (name, each) in enumerate(experiments.items()):
        others = [trial for trial in trials if trial.session != number]
        ranges = tried_ranges([of.acted for of in experiments.values()], pack.manifest.shape.controls)
        effects = fitted(others, ranges, pack)
        outcomes = outcomes_of(each.acted, pack, 2 * number * HOUR_NS)
        fresh += replayed(name, effects, outcomes, programs_new)
        outcomes += outcomes_of(each.twin, pack, (2 * number + 1) * HOUR_NS)
        within += replayed(name, effects, outcomes, defaultdict(list))
        through += replayed(name, effects, outcomes, machine)
        print(f"{name}: {len(outcomes)} outcomes", flush=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    found = table(within, through, fresh)
    out.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    print(json.dumps(found, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
