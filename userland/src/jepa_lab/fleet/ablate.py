# SPDX-License-Identifier: Apache-2.0
"""Trains the variants of `jepa_lab.ablate` on a fleet's recordings, one task a variant.

Each result is kept as soon as it is there: an ablation that was interrupted goes on where it stopped.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from jepa.errors import JepaError
from jepa.evaluation.scoring import ACTING
from jepa.packs.pack import load_pack
from jepa.telemetry.schema import Schema
from jepa_lab.ablate import VARIANTS, kept_in, measured
from jepa_lab.build import build_pack
from jepa_lab.data import Stretch
from jepa_lab.fleet.cluster import RETRIES
from jepa_lab.fleet.evaluate import evaluate_fleet
from jepa_lab.fleet.splits import Split, split
from jepa_lab.fleet.survey import Host
from jepa_lab.fleet.training import train_fleet
from jepa_lab.fleet.worker import TRAINING_CPUS, alone
from jepa_lab.train_config import TrainConfig

OF_A_FLEET: Final = tuple(name for name, changed in VARIANTS.items() if "twins" not in changed)
"""No work runs twice on a fleet."""


def judge_variant(
    address: str, divided: Split, schema: Schema, config: TrainConfig, trials: Sequence[Stretch]
) -> list[float | None]:
    """What a variant reaches on the validation machines, without adaptation."""
    made = train_fleet(address, divided, schema, config, alone, trials=trials)
    made.trained.report.update(trained="never shipped", data="an ablation")
    with TemporaryDirectory(prefix="jepa-ablation-") as name:
        build_pack(
            made.trained.model,
            made.trained.report,
            made.onsets,
            made.validation,
            schema,
            "0.0.0",
            Path(name),
        )
        pack = load_pack(Path(name), schema)
    found = evaluate_fleet(address, divided.validation, pack, adapt=False).evaluation
    return measured(found.figures, found.kinds.get(ACTING), None, made.trained, config)


def ablate_fleet(
    address: str,
    hosts: Sequence[Host],
    schema: Schema,
    kept: Path,
    names: Sequence[str],
    config: TrainConfig,
    trials: Sequence[Stretch],
) -> None:
    """Train and judge the variants ``names``, all when empty, unless ``kept`` holds them already.

    Raises JepaError when a variant's workers all die, or the store stays away.
    """
    import ray

    divided = split(hosts)
    task = ray.remote(num_cpus=TRAINING_CPUS, max_retries=RETRIES)(judge_variant)
    shared = [ray.put(each) for each in (divided, schema)], ray.put(list(trials))
    waiting: dict[Any, str] = {}
    for name in names or OF_A_FLEET:
        if kept_in(kept, name, config.seed).exists():
            print(f"{name}, seed {config.seed}: there already", file=sys.stderr)
            continue
        variant = replace(config, **VARIANTS[name])
        waiting[task.remote(address, *shared[0], variant, shared[1])] = name
    while waiting:
        (done, *_), _ = ray.wait(list(waiting))
        name = waiting.pop(done)
        try:
            row = [name, config.seed, *ray.get(done)]
        except ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, JepaError):
                raise error.cause from error
            raise  # a fault of ours, with the trace of the worker
        except ray.exceptions.RayError as error:
            raise JepaError(
                f"The variant {name!r} cannot be trained: {type(error).__name__}.",
                "A worker died again and again; it may have too little memory.",
            ) from error
        kept.mkdir(parents=True, exist_ok=True)
        kept_in(kept, name, config.seed).write_text(json.dumps(row) + "\n", encoding="utf-8")
        print(f"{name}, seed {config.seed}", file=sys.stderr)
