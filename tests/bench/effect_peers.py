# SPDX-License-Identifier: Apache-2.0
"""Whose imagined effects are real: the pack's, a linear ARX's, trees', a public world model's, or nobody's.

`python -m tests.bench.effect_peers` fits every peer on the trials that the pack learned effects from,
with the other sessions with actions beside them where a peer can use those. Each is asked of the same
changes, in held-out trials and in moments of the laboratory. It writes effect-peers.json,
effect-peers-families.json, effect-courses.json and latent-drift.json to build/bench, which
docs/explanation/effect-peers.md shows; `--only NAME...` judges some.
"""

import argparse
import json
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np

from jepa.evaluation.courses import HORIZONS, CourseImaginer, CourseQuestion, PackImaginer
from jepa.evaluation.effect_errors import Trial, trials_of
from jepa.evaluation.effect_scoring import Experiment, judge_effects
from jepa.packs.pack import Pack, load_pack
from jepa.telemetry.recording import TWIN, UNTOUCHED, Recording, load_recording, load_twin
from jepa.telemetry.schema import load_schema
from jepa.world.forecast import FloatArray
from jepa_lab.branches.store import RecordedMoment, load_moment, moments_in
from jepa_lab.branches.trials import trials as branch_trials
from jepa_lab.commands.defaults import PACK, RECORDED
from jepa_lab.data import TRIAL, Mirror, find_recordings, kind_of
from jepa_lab.effect_peers.arx import Arx
from jepa_lab.effect_peers.lessons import Seen, see
from jepa_lab.effect_peers.linear import LinearOfRules
from jepa_lab.effect_peers.plant import PlantModel
from jepa_lab.effect_peers.rules import KernelRules, NoEffect
from jepa_lab.effect_peers.trees import EffectTrees
from tests.bench.effect_courses import course_errors, latent_drift
from tests.bench.effect_scores import (
    Calibrated,
    Cells,
    calibrated,
    cells,
    error,
    ratio_interval,
    sign_right,
    size,
)

NOTHING: Final = "no effect"
BOTH: Final = "pack and rules, fitted"
PEERS: Final = ("pack", "rules", "rules, fitted", BOTH, "arx", "trees", "rssm", "ensemble", NOTHING)
OUT: Final = Path("build/bench")


class Remembered:
    """An imaginer that is asked the same thing once: two judges ask of the same changes."""

    def __init__(self, imaginer: CourseImaginer) -> None:
        self._imaginer = imaginer
        self._said: dict[tuple[bytes, ...], list[FloatArray]] = {}

    def windows(
        self, recording: Recording, questions: Sequence[CourseQuestion], horizons: Sequence[int] = HORIZONS
    ) -> list[FloatArray]:
        """As the imaginer itself."""
        asked = (bytes([each.at % 256]) + each.settings.tobytes() for each in questions)
        key = (recording.values.tobytes(), np.array(horizons).tobytes(), *asked)
        if key not in self._said:
            self._said[key] = self._imaginer.windows(recording, questions, horizons)
        return self._said[key]


@dataclass(frozen=True, slots=True)
class Mean:
    """What several imagine on average."""

    imaginers: Sequence[CourseImaginer]

    def windows(
        self, recording: Recording, questions: Sequence[CourseQuestion], horizons: Sequence[int] = HORIZONS
    ) -> list[FloatArray]:
        """As `jepa.evaluation.courses.CourseImaginer` says."""
        said = [each.windows(recording, questions, horizons) for each in self.imaginers]
        return [np.mean(parts, axis=0, dtype=np.float32) for parts in zip(*said, strict=True)]


@dataclass(frozen=True, slots=True)
class Judged:
    """What all of them are judged on."""

    experiments: dict[str, Experiment]
    moments: dict[str, RecordedMoment]
    sessions: dict[str, int]
    """The number of each moment's pair of programs, which no experiment has."""


def load_judged(pack: Pack) -> Judged:
    """The held-out trials, and the moments that no training saw."""
    experiments = {}
    for folder in find_recordings(PACK / "heldout", "heldout"):
        acted = load_recording(folder, pack.schema)
        runs = [load_twin(folder, pack.schema, end) for end in (TWIN, UNTOUCHED, UNTOUCHED + TWIN)]
        if acted.meta.labels.get("kind") == TRIAL and all(run is not None for run in runs):
            experiments[folder.name] = Experiment(acted, *runs)
    moments, sessions, numbers = {}, {}, {}
    schema = load_schema()
    for folder in moments_in(RECORDED / "branches"):
        name = "/".join(folder.parts[-2:])
        moments[name] = load_moment(folder, schema)
        programs = tuple(each["name"] for each in moments[name].facts["programs"])
        sessions[name] = numbers.setdefault(programs, len(experiments) + len(numbers))
    return Judged(experiments, moments, sessions)


def load_sessions(pack: Pack) -> tuple[list[list[Seen]], list[list[Seen]]]:
    """The trials of the training, and its other sessions with actions; each with its mirror image."""
    mirror = Mirror.of(pack.schema)
    trials, others = [], []
    for folder in find_recordings(RECORDED, "train"):
        recording = load_recording(folder, pack.schema)
        if recording.actions:
            seen = see(recording)
            (trials if kind_of(folder) == TRIAL else others).append([seen, seen.swapped(mirror)])
    return trials, others


def makers(pack: Pack) -> dict[str, Callable[[], CourseImaginer]]:
    """How each of PEERS is made."""
    trials, others = load_sessions(pack)
    itself, linear = Remembered(PackImaginer(pack)), cache(lambda: LinearOfRules(trials, pack.schema))
    return {
        "pack": lambda: itself,
        "rules": lambda: KernelRules(pack.schema),
        "rules, fitted": linear,
        BOTH: lambda: Mean([itself, linear()]),
        "arx": lambda: Arx(trials, others),
        "trees": lambda: EffectTrees(trials, pack.schema),
        "rssm": lambda: PlantModel([*trials, *others], "rssm", epochs=20, every=8),
        "ensemble": lambda: PlantModel([*trials, *others], "ensemble", epochs=20, every=62),
        NOTHING: NoEffect,
    }


def trials_by(imaginer: CourseImaginer, judged: Judged, pack: Pack) -> tuple[list[Trial], list[Trial]]:
    """What ``imaginer`` says of the held-out trials, and of the moments."""
    schema = load_schema()
    held = [
        trial
        for number, each in enumerate(judged.experiments.values())
        for trial in trials_of(number, each, pack, imaginer)
    ]
    branches = [
        trial
        for name, moment in judged.moments.items()
        for trial in branch_trials(moment, judged.sessions[name], pack, schema, imaginer)
    ]
    return held, branches


def joined(held: Cells, branches: Cells) -> Cells:
    """Both together."""
    return Cells(
        *(np.concatenate([getattr(held, name), getattr(branches, name)]) for name in Cells.__slots__)
    )


def rounded(value: float | None) -> float | str:
    """As tables show it."""
    return "-" if value is None or not np.isfinite(value) else round(float(value), 3)


def row_of(
    name: str,
    imaginer: CourseImaginer,
    judged: Judged,
    pack: Pack,
    parts: tuple[Cells, Cells],
    none: Calibrated,
    itself: Calibrated,
) -> dict[str, Any]:
    """A line of the first table; ``none`` says no effect, and ``itself`` is the pack."""
    every = judge_effects(list(judged.experiments.values()), pack, imaginer=imaginer)
    assert every is not None
    held, branches = parts
    both = joined(held, branches)
    fitted = calibrated(both)
    ours, theirs = fitted.crps(both), none.crps(both)
    low, high = ratio_interval(ours, theirs, both.session)
    less, more = ratio_interval(ours, itself.crps(both), both.session)
    return {
        "who": name,
        "all channels: sign right": rounded(every.clear.sign_right),
        "lower": rounded(every.clear.sign_right_lower),
        "shuffled": rounded(every.clear.shuffled),
        "size": rounded(every.clear.size),
        "planned, trials: sign right": rounded(sign_right(held)),
        "trials: size": rounded(size(held)),
        "trials: error": rounded(error(held)),
        "planned, branches: sign right": rounded(sign_right(branches)),
        "branches: size": rounded(size(branches)),
        "branches: error": rounded(error(branches)),
        "CRPS": rounded(float(ours.sum() / theirs.sum())),
        "90 % of that": f"{low:.3f} .. {high:.3f}",
        "beside the pack's, 90 % of that": "-" if name == "pack" else f"{less:.3f} .. {more:.3f}",
        "within 90 %": rounded(float(fitted.held(both).mean())),
    }


def family_rows(name: str, both: Cells, none: Calibrated, itself: Calibrated) -> list[dict[str, Any]]:
    """Lines of the second table, of families that had clear effects."""
    fitted, found = calibrated(both), []
    ours, theirs, within = fitted.crps(both), none.crps(both), fitted.held(both)
    packs = itself.crps(both)
    for family in np.unique(both.family):
        use = both.family == family
        some = both.only(use)
        if not some.clear.any():
            continue
        less, more = ratio_interval(ours[use], packs[use], some.session)
        found.append(
            {
                "family": f"`{family}`",
                "who": name,
                "effects": int(use.sum()),
                "clear": int(some.clear.sum()),
                "sign right": rounded(sign_right(some)),
                "size": rounded(size(some)),
                "error": rounded(error(some)),
                "CRPS": rounded(float(ours[use].sum() / theirs[use].sum())),
                "beside the pack's, 90 % of that": "-" if name == "pack" else f"{less:.3f} .. {more:.3f}",
                "within 90 %": rounded(float(within[use].mean())),
            }
        )
    return found


def written(path: Path, rows: Sequence[dict[str, Any]], **more: object) -> None:
    """A table, as docs show it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = {
        "columns": list(rows[0]),
        "rows": [list(row.values()) for row in rows],
        **more,
    }
    path.write_text(json.dumps(table, indent=1, ensure_ascii=False) + "\n")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="*", choices=PEERS, default=PEERS)
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    pack = load_pack(PACK)
    judged = load_judged(pack)
    make = makers(pack)
    rows, families, courses, made = [], [], [], {}

    def cells_of(imaginer: CourseImaginer) -> tuple[Cells, Cells]:
        held, branches = trials_by(imaginer, judged, pack)
        return cells(held, pack.schema, pooled=False), cells(branches, pack.schema, pooled=True)

    none, itself = (calibrated(joined(*cells_of(each))) for each in (NoEffect(), make["pack"]()))
    for name in arguments.only:
        begun = time.process_time()
        imaginer = make[name]()
        fitting_s = time.process_time() - begun
        begun = time.process_time()
        remembered = Remembered(imaginer)
        parts = cells_of(remembered)
        rows.append(row_of(name, remembered, judged, pack, parts, none, itself))
        families += family_rows(name, joined(*parts), none, itself)
        courses += course_errors(name, remembered, judged.experiments, judged.moments, pack)
        chosen = getattr(imaginer, "chosen", None) or getattr(imaginer, "trained", None) or {}
        made[name] = {
            "fitting_cpu_s": round(fitting_s, 1),
            "judging_cpu_s": round(time.process_time() - begun, 1),
            "chosen": {key: value for key, value in chosen.items() if key != "loss_curve"},
        }
        print(json.dumps(rows[-1]), json.dumps(made[name], default=str), flush=True)
        families.sort(key=lambda row: row["family"])
        written(arguments.out / "effect-peers.json", rows, made=made)
        written(arguments.out / "effect-peers-families.json", families)
        written(arguments.out / "effect-courses.json", courses)
    drift = latent_drift(judged.experiments, pack)
    written(arguments.out / "latent-drift.json", drift)
    print(json.dumps(drift), resource.getrusage(resource.RUSAGE_SELF).ru_utime)


if __name__ == "__main__":
    main()
