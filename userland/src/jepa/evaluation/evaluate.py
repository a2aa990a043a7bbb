# SPDX-License-Identifier: Apache-2.0
"""Judges a pack on recordings: how good its forecasts were beside those of others."""

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

import numpy as np

from jepa.errors import JepaError
from jepa.evaluation.alert_scoring import (
    FIXED_LEVEL,
    AlertFigures,
    AlertTrace,
    RecallAtBudget,
    model_alerts,
    recall_at_budget,
    score_alerts,
    threshold_alerts,
)
from jepa.evaluation.effect_scoring import Effects
from jepa.evaluation.replay import BASELINES, NO_RIVALS, Forecaster, changes, replay
from jepa.evaluation.report import TARGETS, Evaluation, Figures
from jepa.evaluation.scoring import APART, TWIN, WINDOW, Replayed, Scores, Tally, moving_channels, tallies
from jepa.packs.pack import Pack
from jepa.telemetry.frame import BoolArray
from jepa.telemetry.recording import Recording
from jepa.telemetry.schema import Schema
from jepa.world.event_definitions import EVENT_DEFINITIONS, held

RULE_OF_THUMB = "half way"
"""Alerts once a channel is half way to its event's threshold."""


def evaluate(recording: Recording, pack: Pack, twin: Recording | None = None) -> Evaluation:
    """Judge ``pack`` on one recording."""
    return evaluate_all([recording], pack, twins=[twin])


def evaluate_all(
    recordings: Sequence[Recording],
    pack: Pack,
    twins: Sequence[Recording | None] = (),
    peers: Mapping[str, Forecaster] | None = None,
    effects: Effects | None = None,
    adapt: bool = True,
) -> Evaluation:
    """Judge ``pack`` on several recordings together; each starts with an empty context.

    ``twins`` are their second runs, in the same order. ``peers`` are judged beside the baselines.
    ``effects`` are reported with the rest. Unless ``adapt``, forecasts are the pack's own.

    Raises JepaError when they are too short to judge any window.
    """
    schema = recordings[0].schema
    shape = pack.manifest.shape
    peers = peers or {}
    others = (*BASELINES, *peers)
    paired = zip_longest(recordings, twins[: len(recordings)])
    replays = [replay(recording, pack, twin, peers, adapt=adapt) for recording, twin in paired]
    if not any(each.scored.any() for each in replays):
        raise JepaError(
            "The recordings are too short to judge a forecast.",
            f"Record {2 * max(shape.horizons_s) + 1} s at least.",
        )
    undisturbed = [each for each in replays if each.kind not in APART] or replays
    moving = moving_channels(undisturbed, schema)
    levels = shape.quantiles
    parts = [tallies(each, schema, levels, number) for number, each in enumerate(undisturbed)]
    literal_moving = moving_channels(undisturbed, schema, literal=True)
    literal = [
        part
        for number, each in enumerate(undisturbed)
        for part in tallies(each, schema, levels, number, literal=True)
    ]
    literal_scores = Scores(literal, literal_moving, shape.horizons_s)
    everything = [part for each in parts for part in each]
    judged = np.sum([part.count for part in everything], axis=0)[..., 0].any(axis=1)

    def figures(some: Sequence[Replayed]) -> Figures:
        twice = [each.knowable() for each in some]
        return _figures(
            [part for number, each in enumerate(some) for part in tallies(each, schema, levels, number)],
            [
                part
                for number, each in enumerate(twice)
                if each is not None
                for part in tallies(each, schema, levels, number)
            ],
            moving if all(each.kind not in APART for each in some) else moving_channels(some, schema),
            pack,
            others,
        )

    kinds = {
        kind: figures([each for each in replays if each.kind == kind])
        for kind in sorted({each.kind for each in replays})
    }
    changing = [changes(recording, shape.horizons_s) for recording in recordings]
    pairs = [
        (each, mask)
        for each, mask in zip(replays, changing, strict=True)
        if mask is not None and each.kind not in APART
    ]
    if pairs:
        kinds["steady"] = figures([each.only(~mask) for each, mask in pairs])
        kinds["changing"] = figures([each.only(mask) for each, mask in pairs])
    events, at_budget = _alerts(recordings, replays, shape.events)
    return Evaluation(
        pack=pack.title,
        recordings=[_describe(recording) for recording in recordings],
        figures=figures(undisturbed),
        kinds=kinds,
        literal={
            "channels": float(literal_moving.sum()),
            **{who: literal_scores.accuracy(who) for who in ("model", *others)},
        },
        moving=[name for name, yes in zip(schema.names, moving, strict=True) if yes],
        static=[name for name, yes in zip(schema.names, judged & ~moving, strict=True) if yes],
        channels=_by_channel(everything, schema, shape.horizons_s, others),
        events=events,
        recall_at_1_fa_per_day=at_budget,
        effects=effects,
    )


def _alerts(
    recordings: Sequence[Recording], replays: Sequence[Replayed], names: Sequence[str]
) -> tuple[dict[str, dict[str, AlertFigures]], dict[str, dict[str, RecallAtBudget]]]:
    """By who alerts and event: as jepad alerts, and with at most one false alarm a day."""
    definitions = [next(each for each in EVENT_DEFINITIONS if each.name == name) for name in names]
    holds = [held(each, definitions) for each in recordings]
    probabilities = [each.event_probability for each in replays if each.event_probability is not None]

    def model(likely: float) -> list[BoolArray]:
        return [model_alerts(each, likely) for each in probabilities]

    def rule_of_thumb(share: float) -> list[BoolArray]:
        return [threshold_alerts(each.values, each.schema, definitions, share) for each in recordings]

    rules = {"model": (model, FIXED_LEVEL), RULE_OF_THUMB: (rule_of_thumb, 0.5)}
    figures = {
        who: score_alerts([AlertTrace(*each) for each in zip(holds, warn(level), strict=True)], names)
        for who, (warn, level) in rules.items()
    }
    return figures, {who: recall_at_budget(holds, warn, names) for who, (warn, _) in rules.items()}


def _figures(
    parts: Sequence[Tally],
    twice: Sequence[Tally],
    moving: np.ndarray,
    pack: Pack,
    others: Sequence[str],
) -> Figures:
    scores = Scores(parts, moving, pack.manifest.shape.horizons_s)
    bound = Scores(twice, moving, pack.manifest.shape.horizons_s)
    rivals = [who for who in others if who not in NO_RIVALS]

    def accuracies(who: str) -> dict[str, float | None]:
        return {
            "banded_accuracy": scores.accuracy(who),
            "banded_accuracy_lower": scores.accuracy_lower(who),
            "banded_accuracy_mean": scores.accuracy(who, 0),
            "banded_accuracy_p90": scores.accuracy(who, 1),
        }

    return Figures(
        **accuracies("model"),
        ceiling=bound.accuracy(TWIN) if twice else None,
        gap_closed=bound.gap_closed(rivals) if twice else None,
        gap_closed_lower=bound.gap_closed_lower(rivals) if twice else None,
        hard_recovery=bound.known() if twice else None,
        hard_recovery_lower=bound.known_lower() if twice else None,
        missed_recovery=scores.recovery(),
        missed_recovery_lower=scores.recovery_lower(),
        mae_skill_5_30s=scores.error_ratio(WINDOW),
        crps_skill_5_30s=scores.crps_ratio(WINDOW),
        coverage_90=scores.coverage(),
        windows=int(sum(part.count.sum() for part in parts)),
        baselines={
            who: {
                **accuracies(who),
                "missed_recovery": scores.recovery(who),
                "mae_skill_5_30s": scores.error_ratio(WINDOW, who),
                "model_ahead_lower": scores.ahead_lower(who),
            }
            for who in others
        },
    )


def _describe(recording: Recording) -> dict[str, Any]:
    labels = recording.meta.labels
    shown = ("name", "kind", "programs", "idle_share", "seed")
    kept: dict[str, Any] = {key: labels[key] for key in shown if key in labels}
    return {
        **kept,
        "frames": len(recording.ts_ns),
        "cpus": recording.meta.cpus,
        "kernel": recording.meta.kernel,
    }


def _by_channel(
    parts: Sequence[Tally], schema: Schema, horizons: Sequence[int], others: Sequence[str]
) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    count = np.sum([part.count for part in parts], axis=0)
    sums = {who: np.sum([part.right[who] for part in parts], axis=0) for who in ("model", *others)}
    sums["coverage_90"] = np.sum([part.covered for part in parts], axis=0)
    result: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
    for position, name in enumerate(schema.names):
        for column, horizon in enumerate(horizons):
            for target, title in enumerate(TARGETS):
                of = float(count[position, column, target])
                if of:
                    cell = {
                        who: round(float(total[position, column, target]) / of, 4)
                        for who, total in sums.items()
                    }
                    result.setdefault(name, {}).setdefault(str(horizon), {})[title] = cell
    return result
