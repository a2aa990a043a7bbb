# SPDX-License-Identifier: Apache-2.0
"""Whether two workers of Ray learn what one process learns: the same seeds, judged on held-out machines.

Each of this tree's recordings with two CPUs is a machine of its own here, with its second run where there is
one, so that nothing of a held-out machine is trained on. The training is that of `jepa-lab fleet train`,
but shorter, and without what settings do. The noise of seeds is the standard deviation over those of one
process. Results are kept beside OUT as they come; the same command goes on where it stopped.

Usage: python -m tests.bench.fleet_seeds [OUT [SEEDS [STEPS [FRAMES]]]]    (FRAMES of a recording at most)
"""

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from scipy import stats

from jepa.evaluation.report import rounded_text
from jepa.fleet.keys import make_keys, read_owner_key
from jepa.fleet.store import Store
from jepa.packs.pack import load_pack
from jepa.telemetry.recording import TWIN
from jepa_lab.build import build_pack
from jepa_lab.fleet.cluster import cluster
from jepa_lab.fleet.evaluate import evaluate_fleet, judge_part, parts_of, sum_up
from jepa_lab.fleet.splits import Split, split
from jepa_lab.fleet.training import on_workers, train_fleet
from jepa_lab.fleet.worker import Best, Job, alone
from jepa_lab.train_config import TrainConfig
from tests.bench.fleet_replayed import OF_ONE_KIND, RECORDINGS, SCHEMA, Replayed, at, look, real, send

SEEDS: Final = 5
STEPS: Final = 120
FRAMES: Final = 600
"""Of one recording: those of a whole day would take the time that the others need."""
FIGURES: Final = ("banded_accuracy", "crps_skill_5_30s", "coverage_90")
WORKERS: Final = {"one process": None, "two workers": 2}


def main(out: Path, seeds: int = SEEDS, steps: int = STEPS, frames: int = FRAMES) -> None:
    """Train and judge what is not there yet, and write the table beside it."""
    kept = out.with_suffix("")
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="jepa-fleet-seeds-") as name, cluster(None):
        found = machines(Path(name), frames)
        divided = split(found.hosts)
        for seed in range(1, 1 + seeds):
            for who, workers in WORKERS.items():
                file = kept / f"{who.replace(' ', '-')}-{seed}.json"
                if not file.exists():
                    with tempfile.TemporaryDirectory(prefix="jepa-fleet-state-") as state:
                        fit = alone if workers is None else on_workers(state, workers)
                        told = one(found.address, divided, seed, steps, fit, check=seed == 1)
                    file.write_text(json.dumps(told) + "\n", encoding="utf-8")
                print(seed, who, file.read_text().strip(), file=sys.stderr, flush=True)
    runs = {
        who: [
            json.loads((kept / f"{who.replace(' ', '-')}-{seed}.json").read_text())
            for seed in range(1, 1 + seeds)
        ]
        for who in WORKERS
    }
    each, compared = tables(runs)
    compared |= {"steps": steps, "frames_of_a_recording": frames}
    out.with_name(f"{out.stem}-each.json").write_text(json.dumps(each, indent=1) + "\n", encoding="utf-8")
    out.write_text(json.dumps(compared, indent=1) + "\n", encoding="utf-8")


def machines(folder: Path, frames: int) -> Replayed:
    """A store in which each recording, with its second run, is a machine."""
    (folder / "store").mkdir()
    make_keys(folder / "keys")
    owner, store = read_owner_key(folder / "keys/owner.key"), Store((folder / "store").as_uri())
    names = sorted({found.name for kind in OF_ONE_KIND for found in RECORDINGS.glob(kind)})
    parts: dict[str, list[Any]] = {}
    for name, recording in zip(names, real(), strict=True):
        mine = parts.setdefault(name.removesuffix(TWIN), [])
        mine.append(at(recording, recording.values[:frames], len(mine)))
    for name, some in parts.items():
        send(store, owner, folder / name, some)
    return look(folder)


def one(
    address: str, divided: Split, seed: int, steps: int, fit: Callable[[Job], Best], *, check: bool
) -> dict[str, Any]:
    """What one training reaches; with ``check``, whether without Ray it is judged to the same digits."""
    config = TrainConfig(seed=seed, steps=steps)
    made = train_fleet(address, divided, SCHEMA, config, fit)
    made.trained.report.update(trained="never shipped", data="a benchmark")
    with tempfile.TemporaryDirectory(prefix="jepa-fleet-pack-") as name:
        build_pack(
            made.trained.model,
            made.trained.report,
            made.onsets,
            made.validation,
            SCHEMA,
            "0.0.0",
            Path(name),
        )
        pack = load_pack(Path(name), SCHEMA)
        judged = evaluate_fleet(address, divided.heldout, pack)
        told = {figure: getattr(judged.evaluation.figures, figure) for figure in FIGURES}
        told["watched"] = min(line["pinball"] for line in made.trained.report["history"])  # type: ignore[attr-defined]
        told["machines"] = [len(divided.train), len(divided.validation), len(divided.heldout)]
        if check:
            answers = [
                judge_part(address, host, part, pack, None, True) for host, part in parts_of(divided.heldout)
            ]
            same = rounded_text(sum_up(divided.heldout, answers, pack).to_json())  # type: ignore[arg-type]
            told["evaluation_same"] = same == rounded_text(judged.to_json())
    return told


def tables(runs: dict[str, list[dict[str, Any]]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Each seed, and the difference of the means with its 95 % interval beside the noise of seeds."""
    figures = (*FIGURES, "watched")
    columns = ["seed", *(f"{figure}, {who}" for figure in figures for who in WORKERS)]
    rows: list[list[Any]] = [
        [str(1 + number), *(runs[who][number][figure] for figure in figures for who in WORKERS)]
        for number in range(len(runs["two workers"]))
    ]
    values = {figure: [[run[figure] for run in runs[who]] for who in WORKERS] for figure in figures}
    rows.append(["mean", *(float(np.mean(each)) for figure in figures for each in values[figure])])
    rows.append(
        [
            "standard deviation",
            *(float(np.std(each, ddof=1)) for figure in figures for each in values[figure]),
        ]
    )
    summary = []
    for figure in figures:
        one_process, two = (np.array(each) for each in values[figure])
        interval = stats.ttest_ind(two, one_process, equal_var=False).confidence_interval(0.95)
        noise = float(np.std(one_process, ddof=1))
        difference = float(two.mean() - one_process.mean())
        summary.append([figure, difference, interval.low, interval.high, noise, difference / noise])
    return {"columns": columns, "rows": rows}, {
        "columns": ["figure", "two less one", "lower", "upper", "noise of seeds", "difference in noises"],
        "rows": summary,
        "evaluation_same_to_the_digit": [runs[who][0]["evaluation_same"] for who in WORKERS],
        "machines": runs["two workers"][0]["machines"],
    }


if __name__ == "__main__":
    main(Path((sys.argv[1:] or ["build/bench/fleet-seeds.json"])[0]), *map(int, sys.argv[2:]))
