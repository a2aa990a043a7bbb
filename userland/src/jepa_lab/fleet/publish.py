# SPDX-License-Identifier: Apache-2.0
"""Makes a pack of a fleet's recordings, judges it on held-out machines, and publishes it if it may be."""

import datetime
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from jepa.evaluation.report import rounded_text
from jepa.packs.pack import load_pack
from jepa.telemetry.schema import Schema
from jepa_lab.build import build_pack
from jepa_lab.data import Stretch
from jepa_lab.fleet.card import card
from jepa_lab.fleet.evaluate import Judged, evaluate_fleet
from jepa_lab.fleet.splits import split
from jepa_lab.fleet.survey import Host, Problem
from jepa_lab.fleet.training import train_fleet
from jepa_lab.fleet.verdicts import Verdict, verdicts
from jepa_lab.fleet.worker import Best, Job
from jepa_lab.train_config import TrainConfig
from jepa_lab.weights import load_weights

RESULTS = "results/heldout.json"


@dataclass(frozen=True, slots=True)
class Made:
    """What came of it."""

    judged: Judged
    decided: tuple[Verdict, ...]
    """By cohort; none of a pack that has none to replace."""
    published: bool
    problems: tuple[Problem, ...]


def make_pack(
    address: str,
    hosts: Sequence[Host],
    schema: Schema,
    config: TrainConfig,
    *,
    present: Path | None,
    version: str,
    out: Path,
    fit: Callable[[Job], Best],
    trials: Sequence[Stretch] = (),
) -> Made:
    """Train on some of ``hosts``, from the weights of ``present`` if there is one, and judge on others.

    The pack is in ``out`` afterwards, whole or not at all: always without ``present``, and else where it is
    better than that for the machines of one cohort at least.

    Raises JepaError when there are too few machines, or the store stays away.
    """
    divided = split(hosts)
    before = None if present is None else load_pack(present, schema)
    start = None if present is None else load_weights(present)
    made = train_fleet(address, divided, schema, config, fit, trials=trials, start=start)
    report = made.trained.report
    report["trained"] = datetime.datetime.now(datetime.UTC).date().isoformat()
    report["data"] = f"{len(divided.train)} machines of a fleet; see the card"
    with tempfile.TemporaryDirectory(prefix="jepa-pack-") as name:
        folder = Path(name) / "pack"
        build_pack(
            made.trained.model,
            report,
            made.onsets,
            made.validation,
            schema,
            version,
            folder,
            f"jepa-lab fleet {'train' if present is None else 'tune'}",
        )
        pack = load_pack(folder, schema)
        judged = evaluate_fleet(address, divided.heldout, pack, before)
        decided = () if before is None else tuple(verdicts(judged))
        published = before is None or any(each.better for each in decided)
        if published:
            began_as = None if before is None else before.title
            (folder / "CARD.md").write_text(
                card(pack.title, made.trained, judged, decided, began_as), encoding="utf-8"
            )
            results = {
                **judged.to_json(),
                "training": report,
                "for": [asdict(each) | {"better": each.better} for each in decided],
            }
            (folder / RESULTS).parent.mkdir()
            (folder / RESULTS).write_text(rounded_text(results), encoding="utf-8")
            _put(folder, out)
    return Made(judged, decided, published, (*made.problems, *judged.problems))


def _put(folder: Path, out: Path) -> None:
    """Make ``folder`` what is in ``out``, which nobody sees half written."""
    out.parent.mkdir(parents=True, exist_ok=True)
    near = out.with_name(out.name + ".new")
    shutil.rmtree(near, ignore_errors=True)
    shutil.copytree(folder, near)
    if out.exists():
        shutil.rmtree(out)
    near.rename(out)
