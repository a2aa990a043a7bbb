# SPDX-License-Identifier: Apache-2.0
"""`jepa-lab record`: run seeded workloads here and record the machine meanwhile."""

import argparse
from pathlib import Path

from jepa_lab.commands.defaults import PACK

HELP = "run seeded workloads here and record the machine meanwhile"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("--pack", type=Path, default=PACK, help="the pack's folder, where they are kept")
    parser.add_argument("--plan", default="wide")
    parser.add_argument("--only", nargs="+", default=[], metavar="SESSION", help="default: all of the plan")


def run(arguments: argparse.Namespace) -> None:
    """Run the command; raises JepaError with the remedy when it cannot."""
    from jepa_lab.record import record_plan

    record_plan(arguments.plan, arguments.pack, arguments.only)
