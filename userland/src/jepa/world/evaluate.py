# SPDX-License-Identifier: Apache-2.0
"""Replays recordings through a pack, frame by frame as they came, and says how good its forecasts were."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import zip_longest
from typing import Any, Protocol

import numpy as np

from jepa.errors import JepaError
from jepa.packs.pack import Pack
from jepa.telemetry.frame import Frame
from jepa.telemetry.recording import Recording
from jepa.telemetry.schema import Schema
from jepa.world import baselines
from jepa.world.forecast import FloatArray
from jepa.world.model import WorldModel
from jepa.world.scoring import TWIN, WINDOW, Replayed, Scores, Tally, moving_channels, tallies
from jepa.world.windows import coming

BASELINES: Mapping[str, Callable[[FloatArray, Sequence[int]], FloatArray]] = {
    WINDOW: baselines.window,
    "last": baselines.last,
    "seasonal": baselines.seasonal,
}
"""Forecasts that need no training, of values (T, C) for horizons (H,)."""
_TARGETS = ("mean", "p90")


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of one set of recordings; None where there is nothing to judge."""

    banded_accuracy: float | None
    banded_accuracy_lower: float | None
    banded_accuracy_mean: float | None
    banded_accuracy_p90: float | None
    ceiling: float | None
    """Banded accuracy of a second run of the same seeded workload, taken as a forecast of the first."""
    gap_closed: float | None
    """(model - best baseline) / (ceiling - best baseline), on the windows that have a ceiling."""
    gap_closed_lower: float | None
    hard_recovery: float | None
    """Of the windows that window persistence missed and the twin hit, the share the model hit."""
    hard_recovery_lower: float | None
    missed_recovery: float | None
    """Of all windows that window persistence missed, knowable or not, the share the model hit."""
    missed_recovery_lower: float | None
    mae_skill_5_30s: float | None
    """Mean absolute error over that of window persistence; 0.8 or less is wanted."""
    crps_skill_5_30s: float | None
    coverage_90: float | None
    windows: int
    """Windows judged."""
    baselines: dict[str, dict[str, float | None]]
    """The same of each baseline, and the lower end of how far the model is ahead of it."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The result of a replay."""

    pack: str
    recordings: list[dict[str, Any]]
    figures: Figures
    kinds: dict[str, Figures]
    """The same for day and for busy recordings."""
    literal: dict[str, float | None]
    """Banded accuracy with the band in the channels' units instead of on their own scale."""
    moving: list[str]
    static: list[str]
    channels: dict[str, dict[str, dict[str, dict[str, float]]]]
    """By channel, horizon and target: banded accuracy of the model and each baseline, and coverage."""

    @property
    def absent(self) -> dict[str, str]:
        """Figures that could not be computed, and why."""
        missing = [name for name, value in asdict(self.figures).items() if value is None]
        return dict.fromkeys(missing, _WITHOUT_TWIN if self.figures.ceiling is None else _NOTHING)

    def to_json(self) -> dict[str, Any]:
        """Everything, with the figures at the top and None for what is absent."""
        return {
            "pack": self.pack,
            **asdict(self.figures),
            "absent": self.absent,
            **{kind: asdict(figures) for kind, figures in self.kinds.items()},
            "literal_band": self.literal,
            "moving": self.moving,
            "static": self.static,
            "recordings": self.recordings,
            "channels": self.channels,
        }

    def to_text(self) -> str:
        """A table to read."""
        whole = self.figures
        lines = [f"{self.pack} on {len(self.recordings)} recordings, {whole.windows} windows", ""]
        lines += [f"{'':24}{'model':>8}" + "".join(f"{who:>9}" for who in whole.baselines)]
        for title, key in (("banded accuracy", ""), ("  of the mean", "_mean"), ("  of the P90", "_p90")):
            name = f"banded_accuracy{key}"
            beside = "".join(f"{_show(whole.baselines[who][name]):>9}" for who in whole.baselines)
            lines.append(f"{title:24}{_show(getattr(whole, name)):>8}{beside}")
        lines += [
            f"{'ceiling':24}{_show(whole.ceiling):>8}",
            f"{'gap closed':24}{_show(whole.gap_closed):>8}",
            f"{'hard windows recovered':24}{_show(whole.hard_recovery):>8}",
            f"{'missed ones recovered':24}{_show(whole.missed_recovery):>8}",
            f"{'MAE, 5-30 s':24}{_show(whole.mae_skill_5_30s):>8}  of window persistence",
            f"{'CRPS, 5-30 s':24}{_show(whole.crps_skill_5_30s):>8}  of window persistence",
            f"{'90 % interval covers':24}{_show(whole.coverage_90):>8}",
            "",
            f"{'channel':34}{'horizon':>8}"
            + "".join(f"{f'{who} {t}':>13}" for t in _TARGETS for who in _WHO),
        ]
        for name in self.moving:
            for horizon, targets in self.channels.get(name, {}).items():
                cells = [
                    targets[target].get(who) for target in _TARGETS if target in targets for who in _WHO
                ]
                lines.append(
                    f"{name:34}{horizon + ' s':>8}" + "".join(f"{_show(cell):>13}" for cell in cells)
                )
        lines += ["", f"static, not counted: {', '.join(self.static) or 'none'}"]
        return "\n".join(lines)


_WHO = ("model", WINDOW)
_WITHOUT_TWIN = "needs a twin: the same seeded workload recorded twice"
_NOTHING = "nothing to judge"
_SAME_S = 0.6
"""Frames of two runs no further apart than this are at the same time after their starts."""


def _show(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


class Forecaster(Protocol):
    """Anything that forecasts what a pack forecasts."""

    def points(self, recording: Recording, horizons: Sequence[int]) -> FloatArray:
        """(T, C, H, 2) mean and P90 over the coming windows, each from the frames up to its own alone."""


def evaluate(recording: Recording, pack: Pack, twin: Recording | None = None) -> Evaluation:
    """Judge ``pack`` on one recording."""
    return evaluate_all([recording], pack, twins=[twin])


def evaluate_all(
    recordings: Sequence[Recording],
    pack: Pack,
    twins: Sequence[Recording | None] = (),
    peers: Mapping[str, Forecaster] | None = None,
) -> Evaluation:
    """Judge ``pack`` on several recordings together; each starts with an empty context.

    ``twins`` are their second runs, in the same order. ``peers`` are judged beside the baselines.
    Raises JepaError when they are too short to judge any window.
    """
    schema = recordings[0].schema
    shape = pack.manifest.shape
    peers = peers or {}
    others = (*BASELINES, *peers)
    paired = zip_longest(recordings, twins[: len(recordings)])
    replays = [replay(recording, pack, twin, peers) for recording, twin in paired]
    if not any(each.scored.any() for each in replays):
        raise JepaError(
            "The recordings are too short to judge a forecast.",
            f"Record {2 * max(shape.horizons_s) + 1} s at least.",
        )
    moving = moving_channels(replays, schema)
    parts = [tallies(each, schema, shape.quantiles) for each in replays]
    knowable = [each.knowable() for each in replays]
    twice = [[] if each is None else tallies(each, schema, shape.quantiles) for each in knowable]
    literal_moving = moving_channels(replays, schema, literal=True)
    literal = [part for each in replays for part in tallies(each, schema, shape.quantiles, literal=True)]
    literal_scores = Scores(literal, literal_moving, shape.horizons_s)
    everything = [part for each in parts for part in each]
    judged = np.sum([part.count for part in everything], axis=0)[..., 0].any(axis=1)

    def figures(kind: str | None) -> Figures:
        chosen = [kind in (None, each.kind) for each in replays]
        return _figures(
            [tally for part, yes in zip(parts, chosen, strict=True) if yes for tally in part],
            [tally for part, yes in zip(twice, chosen, strict=True) if yes for tally in part],
            moving,
            pack,
            others,
        )

    kinds = {kind: figures(kind) for kind in sorted({each.kind for each in replays})}
    return Evaluation(
        pack=pack.title,
        recordings=[_describe(recording) for recording in recordings],
        figures=figures(None),
        kinds=kinds,
        literal={
            "channels": float(literal_moving.sum()),
            **{who: literal_scores.accuracy(who) for who in ("model", *others)},
        },
        moving=[name for name, yes in zip(schema.names, moving, strict=True) if yes],
        static=[name for name, yes in zip(schema.names, judged & ~moving, strict=True) if yes],
        channels=_by_channel(everything, schema, shape.horizons_s, others),
    )


def replay(
    recording: Recording,
    pack: Pack,
    twin: Recording | None = None,
    peers: Mapping[str, Forecaster] | None = None,
) -> Replayed:
    """What ``pack``, the baselines and ``peers`` forecast at each frame, seeing only those before it."""
    horizons = pack.manifest.shape.horizons_s
    model = WorldModel.load(pack, recording.schema)
    frames = len(recording.ts_ns)
    quantiles = np.full(
        (frames, len(recording.schema.channels), len(horizons), 2, len(pack.manifest.shape.quantiles)),
        np.nan,
        np.float32,
    )
    for number, (ts_ns, values) in enumerate(zip(recording.ts_ns, recording.values, strict=True)):
        forecast = model.tick(Frame(int(ts_ns), values, ~np.isnan(values))).forecast
        quantiles[number] = np.stack([forecast.mean, forecast.p90], axis=2)
    truth, scored = coming(recording.values, horizons)
    scored[: max(horizons) - 1] = False
    middle = pack.manifest.shape.quantiles.index(0.5)
    points = {name: each(recording.values, horizons) for name, each in BASELINES.items()}
    points |= {name: each.points(recording, horizons) for name, each in (peers or {}).items()}
    return Replayed(
        str(recording.meta.labels.get("kind", "busy")),
        truth,
        scored,
        {"model": quantiles[..., middle], **points},
        quantiles,
        None if twin is None else _aligned(twin, recording, horizons),
    )


def _aligned(twin: Recording, recording: Recording, horizons: Sequence[int]) -> FloatArray:
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


def _figures(
    parts: Sequence[Tally],
    twice: Sequence[Tally],
    moving: np.ndarray,
    pack: Pack,
    others: Sequence[str],
) -> Figures:
    scores = Scores(parts, moving, pack.manifest.shape.horizons_s)
    bound = Scores(twice, moving, pack.manifest.shape.horizons_s)

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
        gap_closed=bound.gap_closed(others) if twice else None,
        gap_closed_lower=bound.gap_closed_lower(others) if twice else None,
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
            for target, title in enumerate(_TARGETS):
                of = float(count[position, column, target])
                if of:
                    cell = {
                        who: round(float(total[position, column, target]) / of, 4)
                        for who, total in sums.items()
                    }
                    result.setdefault(name, {}).setdefault(str(horizon), {})[title] = cell
    return result


def to_file_text(evaluation: Evaluation) -> str:
    """The JSON of an evaluation as kept beside a pack, figures rounded to four places."""
    return json.dumps(_rounded(evaluation.to_json()), indent=1) + "\n"


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    return [_rounded(each) for each in value] if isinstance(value, list | tuple) else value
