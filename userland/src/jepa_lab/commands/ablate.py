# SPDX-License-Identifier: Apache-2.0
"""`jepa-lab ablate`: train with one part left out at a time; an hour and more."""

import argparse
from pathlib import Path

from jepa.errors import JepaError
from jepa_lab.commands.defaults import PACK, RECORDED

HELP = "train with one part left out at a time; an hour and more"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("--recordings", type=Path, default=RECORDED)
    parser.add_argument("--kept", type=Path, default=Path("build/ablations"), help="results so far")
    parser.add_argument("--only", nargs="+", default=[], metavar="VARIANT", help="default: all of them")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=PACK / "results/ablations.json")


def run(arguments: argparse.Namespace) -> None:
    """Run the command; raises JepaError with the remedy when it cannot."""
    import json

    from jepa.telemetry.schema import load_schema
    from jepa_lab.ablate import VARIANTS, ablate, table

    unknown = set(arguments.only) - set(VARIANTS)
    if unknown:
        raise JepaError(f"There is no variant {min(unknown)!r}.", f"Choose one of {', '.join(VARIANTS)}.")
    ablate(arguments.recordings, load_schema(), arguments.kept, arguments.only, arguments.seed)
    arguments.out.write_text(json.dumps(table(arguments.kept), indent=1) + "\n", encoding="utf-8")
