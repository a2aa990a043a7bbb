# SPDX-License-Identifier: Apache-2.0
"""`jepa-lab train`: train the machine pack on recordings, and build it."""

import argparse
from pathlib import Path

from jepa_lab.commands.defaults import PACK, RECORDED, VERSION_HELP, version_in

HELP = "train the machine pack on recordings, and build it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("--recordings", type=Path, default=RECORDED)
    parser.add_argument("--out", type=Path, default=PACK)
    parser.add_argument("--version", help=VERSION_HELP)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=120.0, help="at most so long")


def run(arguments: argparse.Namespace) -> None:
    """Run the command; raises JepaError with the remedy when it cannot."""
    import datetime
    import json

    from jepa.telemetry.schema import load_schema
    from jepa_lab.build import build_pack, seen_in
    from jepa_lab.train import train
    from jepa_lab.train_config import TrainConfig

    schema = load_schema()
    config = TrainConfig(seed=arguments.seed, minutes=arguments.minutes)
    trained = train(arguments.recordings, schema, config)
    trained.report["trained"] = datetime.datetime.now(datetime.UTC).date().isoformat()
    frames = trained.report["frames"]
    assert isinstance(frames, dict)
    counts = ", ".join(f"{split} {count} frames" for split, count in frames.items())
    trained.report["data"] = f"{counts}, of one machine and of emulated ones; see the card"
    report = Path("build/models/machine.json")
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text(json.dumps(trained.report, indent=1) + "\n", encoding="utf-8")
    version = arguments.version or version_in(arguments.out)
    seen = seen_in(arguments.recordings, schema)
    manifest = build_pack(trained.model, trained.report, *seen, schema, version, arguments.out)
    print(
        f"{arguments.out}: {manifest.name} {manifest.version}, {manifest.provenance.parameters} parameters"
    )
