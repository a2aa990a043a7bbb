# SPDX-License-Identifier: Apache-2.0
"""Judges a pack on recordings: how good its forecasts were beside those of others."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest

import numpy as np

from jepa.errors import JepaError
from jepa.evaluation.alert_scoring import (
    FIXED_LEVEL,
    AlertFigures,
    RecallAtBudget,
    figures_of,
    recall_at_budget,
    total,
)
from jepa.evaluation.effect_scoring import Effects
from jepa.evaluation.replay import BASELINES, NO_RIVALS, Forecaster
from jepa.evaluation.report import TARGETS, Evaluation, Figures
from jepa.evaluation.scoring import APART, TWIN, WINDOW, BlockSums, Scores
from jepa.evaluation.session import MODEL, RULE_OF_THUMB, Session, Sums, judge_session
from jepa.packs.pack import Pack
from jepa.telemetry.recording import Recording
from jepa.telemetry.schema import Schema

_HALF_WAY = 0.5


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
    paired = zip_longest(recordings, twins[: len(recordings)])
    sessions = [judge_session(each, pack, twin, peers, adapt=adapt) for each, twin in paired]
    return judge(sessions, pack, tuple(peers or ()), effects)


def judge(
    sessions: Sequence[Session], pack: Pack, peers: Sequence[str] = (), effects: Effects | None = None
) -> Evaluation:
    """The figures of recordings that were each judged by themselves, with ``peers`` beside the baselines.

    Raises JepaError when none of them has a window that can be judged.
    """
    schema = sessions[0].schema
    shape = pack.manifest.shape
    others = (*BASELINES, *peers)
    if not any(each.scored for each in sessions):
        raise JepaError(
            "The recordings are too short to judge a forecast.",
            f"Record {2 * max(shape.horizons_s) + 1} s at least.",
        )
    undisturbed = [each for each in sessions if each.whole.kind not in APART] or sessions
    moving = np.any([each.whole.moving for each in undisturbed], axis=0)
    literal_moving = np.any([each.literal_moving for each in undisturbed], axis=0)
    literal = Scores(_numbered([each.literal for each in undisturbed]), literal_moving, shape.horizons_s)
    everything = _numbered([each.whole.parts for each in undisturbed])
    judged = np.sum([part.count for part in everything], axis=0)[..., 0].any(axis=1)

    def figures(some: Sequence[Sums]) -> Figures:
        apart = any(each.kind in APART for each in some)
        return _figures(
            _numbered([each.parts for each in some]),
            _numbered([each.knowable for each in some]),
            np.any([each.moving for each in some], axis=0) if apart else moving,
            pack,
            others,
        )

    kinds = {
        kind: figures([each.whole for each in sessions if each.whole.kind == kind])
        for kind in sorted({each.whole.kind for each in sessions})
    }
    if any(each.steady is not None for each in sessions):
        kinds["steady"] = figures([each.steady for each in sessions if each.steady is not None])
        kinds["changing"] = figures([each.changing for each in sessions if each.changing is not None])
    events, at_budget = _alerts(sessions)
    return Evaluation(
        pack=pack.title,
        recordings=[each.about for each in sessions],
        figures=figures([each.whole for each in undisturbed]),
        kinds=kinds,
        literal={
            "channels": float(literal_moving.sum()),
            **{who: literal.accuracy(who) for who in ("model", *others)},
        },
        moving=[name for name, yes in zip(schema.names, moving, strict=True) if yes],
        static=[name for name, yes in zip(schema.names, judged & ~moving, strict=True) if yes],
        channels=_by_channel(everything, schema, shape.horizons_s, others),
        events=events,
        recall_at_1_fa_per_day=at_budget,
        effects=effects,
    )


def _numbered(groups: Sequence[Sequence[BlockSums]]) -> list[BlockSums]:
    """All tallies, each with the place of its recording: the bootstrap draws recordings first."""
    return [replace(part, session=number) for number, parts in enumerate(groups) for part in parts]


def _alerts(
    sessions: Sequence[Session],
) -> tuple[dict[str, dict[str, AlertFigures]], dict[str, dict[str, RecallAtBudget]]]:
    """By who alerts and event: as jepad alerts, and with at most one false alarm a day."""
    counts = {
        who: {level: total(each.alerts[who][level] for each in sessions) for level in levels}
        for who, levels in sessions[0].alerts.items()
    }
    chosen = {MODEL: FIXED_LEVEL, RULE_OF_THUMB: _HALF_WAY}
    figures = {who: figures_of(levels[chosen[who]]) for who, levels in counts.items()}
    return figures, {who: recall_at_budget(levels) for who, levels in counts.items()}


def _figures(
    parts: Sequence[BlockSums],
    twice: Sequence[BlockSums],
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


def _by_channel(
    parts: Sequence[BlockSums], schema: Schema, horizons: Sequence[int], others: Sequence[str]
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
