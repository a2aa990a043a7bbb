# SPDX-License-Identifier: Apache-2.0
"""Trains the model with one part left out at a time, and judges each on the validation sessions.

Each result is kept as soon as it is there, so that several processes may share the work and one that was
interrupted goes on where it stopped; the table holds whatever is there.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from jepa.evaluation.evaluate import evaluate_all
from jepa.evaluation.report import Figures
from jepa.evaluation.scoring import ACTING
from jepa.packs.pack import load_pack
from jepa.telemetry.recording import Recording
from jepa.telemetry.schema import Schema
from jepa_lab.build import build_pack, seen_in
from jepa_lab.train import NEVER_S, Trained, train
from jepa_lab.train_config import TrainConfig

VARIANTS: Final[dict[str, dict[str, Any]]] = {
    "as it is": {},
    "no inverse dynamics": {"inverse_weight": 0.0},
    "no SIGReg": {"sigreg_weight": 0.0},
    "no SIGReg, variance, covariance": {
        "sigreg_weight": 0.0,
        "variance_weight": 0.0,
        "covariance_weight": 0.0,
    },
    "direct regression: no loss on latents": {
        "predict_weight": 0.0,
        "sigreg_weight": 0.0,
        "variance_weight": 0.0,
        "covariance_weight": 0.0,
        "inverse_weight": 0.0,
    },
    "no actions": {"actions_as_input": False},
    "roles not mirrored": {"mirror": False},
    "without acting sessions": {"acting": False},
    "no coarse context": {"coarse_s": NEVER_S},
    "no second runs": {"twins": False},
    "half of the sessions": {"every": 2},
    "a quarter of the sessions": {"every": 4},
}
"""What differs from the usual training, by name."""

COLUMNS = (
    *("variant", "seed", "day and busy", "with actions", "scarce", "MAE, 5-30 s", "CRPS, 5-30 s"),
    *("coverage", "effective rank", "inverse dynamics error"),
)
_JUDGED = (("day", "busy"), (ACTING,), ("scarce",))


def ablate(recordings: Path, schema: Schema, kept: Path, names: Sequence[str], seed: int) -> None:
    """Train and judge the variants ``names``, all when empty, unless ``kept`` holds them already."""
    for name in names or VARIANTS:
        file = kept_in(kept, name, seed)
        if file.exists():
            print(f"{name}, seed {seed}: there already", file=sys.stderr)
            continue
        print(f"{name}, seed {seed}", file=sys.stderr)
        row = [name, seed, *_judged(recordings, schema, replace(TrainConfig(seed=seed), **VARIANTS[name]))]
        kept.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(row) + "\n", encoding="utf-8")


def kept_in(kept: Path, name: str, seed: int) -> Path:
    """The file of one result."""
    return kept / f"{name.replace(':', '').replace(',', '').replace(' ', '-')}.{seed}.json"


def table(kept: Path) -> dict[str, Any]:
    """Columns and rows of what ``kept`` holds, in the order of VARIANTS."""
    rows = [json.loads(file.read_text(encoding="utf-8")) for file in kept.glob("*.json")]
    order = list(VARIANTS)
    rows.sort(key=lambda row: (order.index(row[0]), row[1]))
    return {"columns": COLUMNS, "rows": [[row[0], str(row[1]), *row[2:]] for row in rows]}


def _judged(recordings: Path, schema: Schema, config: TrainConfig) -> list[float | None]:
    trained = train(recordings, schema, config)
    trained.report.update(trained="never shipped", data="an ablation")
    with TemporaryDirectory() as folder:
        onsets, held = seen_in(recordings, schema)
        build_pack(trained.model, trained.report, onsets, held, schema, "0.0.0", Path(folder))
        pack = load_pack(Path(folder), schema)
        quiet, acted, scarce = (
            evaluate_all(part, pack, adapt=False).figures
            for part in ([each for each in held if _kind(each) in kinds] for kinds in _JUDGED)
        )
    return measured(quiet, acted, scarce, trained, config)


def measured(
    quiet: Figures, acted: Figures | None, scarce: Figures | None, trained: Trained, config: TrainConfig
) -> list[float | None]:
    """What is in a row of the table, from the third of COLUMNS on; None where there was nothing to judge."""
    history = trained.report["history"]
    assert isinstance(history, list)
    best = min(history, key=lambda line: line["pinball"] + config.band_weight * line["missed"])
    values = (
        *(None if each is None else each.banded_accuracy for each in (quiet, acted, scarce)),
        *(
            quiet.mae_skill_5_30s,
            quiet.crps_skill_5_30s,
            quiet.coverage_90,
            trained.report["effective_rank"],
            best["unsettled"],
        ),
    )
    return [None if value is None else round(float(str(value)), 4) for value in values]


def _kind(recording: Recording) -> str:
    kind = str(recording.meta.labels.get("kind", "busy"))
    return ACTING if recording.actions and kind != "trial" else kind
