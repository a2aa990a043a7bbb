# SPDX-License-Identifier: Apache-2.0
"""`jepa-lab fleet train`, `tune` and `ablate`: packs made on a fleet's recordings."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from jepa.errors import JepaError
from jepa_lab.commands.defaults import PACK, RECORDED, VERSION_HELP, version_in

if TYPE_CHECKING:
    from jepa.telemetry.schema import Schema
    from jepa_lab.data import Stretch
    from jepa_lab.fleet.survey import Problem, Survey

NOT_BETTER: Final = 3
"""Exit status of a tuning that published nothing, since nothing was gained."""
_TUNING_RATE: Final = 0.2
"""Of the rate of a training from nothing: a tuned model is to stay near what it was."""


def add_to(group: "argparse._SubParsersAction[argparse.ArgumentParser]", store: "_AddStore") -> None:
    """Declare the commands and their options."""
    training = group.add_parser("train", help="train a pack on the fleet's recordings, on a Ray cluster")
    _common(training, store)
    _workers(training)
    training.add_argument("--out", type=Path, required=True, help="the pack's directory")
    training.add_argument("--version", help=VERSION_HELP)
    training.set_defaults(fleet=_train)
    tuning = group.add_parser(
        "tune", help="tune a pack on the fleet's recordings, and publish it where it is better"
    )
    _common(tuning, store)
    _workers(tuning)
    tuning.add_argument("--from", dest="present", type=Path, default=PACK, help="the pack to begin with")
    tuning.add_argument("--out", type=Path, required=True, help="where to publish it, a new directory")
    tuning.add_argument("--version", required=True, help="of the new pack")
    tuning.set_defaults(fleet=_tune)
    ablating = group.add_parser("ablate", help="train with one part left out at a time, a task each")
    _common(ablating, store)
    ablating.add_argument("--kept", type=Path, default=Path("build/fleet-ablations"), help="results so far")
    ablating.add_argument("--only", nargs="+", default=[], metavar="VARIANT", help="default: all of them")
    ablating.add_argument("--out", type=Path, required=True, help="a JSON file")
    ablating.set_defaults(fleet=_ablate)


_AddStore = Callable[[argparse.ArgumentParser], None]


def _common(parser: argparse.ArgumentParser, store: _AddStore) -> None:
    store(parser)
    parser.add_argument(
        "--address", help="of the cluster, as HOST:PORT (default: one on this machine alone)"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=5000, help="at most so many")
    parser.add_argument(
        "--trials", type=Path, default=RECORDED, help="recordings of the lab, for what settings do"
    )


def _workers(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--workers", type=int, help="default: one a GPU, or one a CPU")
    parser.add_argument(
        "--frames", type=int, default=1200, help="of a step, of all workers together: more suit more workers"
    )
    parser.add_argument(
        "--state",
        default=str(Path("build/fleet-training").absolute()),
        help="where checkpoints go, which every machine can write: a directory or s3://BUCKET/PREFIX",
    )


def _train(arguments: argparse.Namespace) -> None:
    _make(arguments, None, arguments.version or version_in(arguments.out), 1.0)


def _tune(arguments: argparse.Namespace) -> None:
    if arguments.out.exists():
        raise JepaError(
            f"{arguments.out} is there already.", "Name a new directory for each published pack."
        )
    _make(arguments, arguments.present, arguments.version, _TUNING_RATE)


def _make(arguments: argparse.Namespace, present: Path | None, version: str, rate: float) -> None:
    from jepa.telemetry.schema import load_schema
    from jepa_lab.fleet.cluster import cluster
    from jepa_lab.fleet.cuts import CUT
    from jepa_lab.fleet.publish import make_pack
    from jepa_lab.fleet.training import on_workers
    from jepa_lab.train_config import TrainConfig

    if arguments.frames < 2 * CUT:
        raise JepaError(
            f"A step of {arguments.frames} frames is too small.", f"Name {2 * CUT} or more: two cuts."
        )
    schema, found = load_schema(), _survey(arguments)
    config = TrainConfig(
        seed=arguments.seed,
        steps=arguments.steps,
        frames=arguments.frames,
        learning_rate=rate * TrainConfig().learning_rate,
    )
    with cluster(arguments.address):
        made = make_pack(
            arguments.store,
            found.hosts,
            schema,
            config,
            present=present,
            version=version,
            out=arguments.out,
            fit=on_workers(arguments.state, arguments.workers),
            trials=_trials(arguments.trials, schema),
        )
    _say_problems((*found.problems, *made.problems))
    print(made.judged.to_text())
    for each in made.decided:
        print(each)
    if not made.published:
        print("Nothing is published: the present pack stays.", file=sys.stderr)
        sys.exit(NOT_BETTER)
    print(f"{arguments.out}: machine {version}")


def _ablate(arguments: argparse.Namespace) -> None:
    import json

    from jepa.telemetry.schema import load_schema
    from jepa_lab.ablate import table
    from jepa_lab.fleet.ablate import OF_A_FLEET, ablate_fleet
    from jepa_lab.fleet.cluster import cluster
    from jepa_lab.train_config import TrainConfig

    unknown = set(arguments.only) - set(OF_A_FLEET)
    if unknown:
        raise JepaError(f"There is no variant {min(unknown)!r}.", f"Choose one of {', '.join(OF_A_FLEET)}.")
    schema, found = load_schema(), _survey(arguments)
    config = TrainConfig(seed=arguments.seed, steps=arguments.steps)
    with cluster(arguments.address):
        ablate_fleet(
            arguments.store,
            found.hosts,
            schema,
            arguments.kept,
            arguments.only,
            config,
            _trials(arguments.trials, schema),
        )
    _say_problems(found.problems)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(table(arguments.kept), indent=1) + "\n", encoding="utf-8")


def _survey(arguments: argparse.Namespace) -> "Survey":
    import time

    from jepa.fleet.keys import read_owner_key
    from jepa.fleet.store import Store
    from jepa.telemetry.schema import load_schema
    from jepa_lab.fleet.survey import survey

    return survey(Store(arguments.store), read_owner_key(arguments.key), load_schema(), time.time_ns())


def _trials(folder: Path, schema: "Schema") -> "list[Stretch]":
    from jepa_lab.data import TRIAL, find_recordings, kind_of, load_stretches
    from jepa_lab.model.config import ModelConfig

    trials = [each for each in find_recordings(folder, "train") if kind_of(each) == TRIAL]
    return load_stretches(trials, schema, ModelConfig.of(schema))


def _say_problems(problems: "Sequence[Problem]") -> None:
    from jepa.text import shown

    for problem in problems:
        print(f"left out or doubtful: {shown(problem.place)}: {shown(problem.what)}", file=sys.stderr)
