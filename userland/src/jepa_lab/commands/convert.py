# SPDX-License-Identifier: Apache-2.0
"""`jepa-lab convert`: build a vision pack from a V-JEPA 2 checkpoint."""

import argparse
import sys
from pathlib import Path

from jepa_lab.vjepa2.place import must_be_free

HELP = "build a vision pack from a V-JEPA 2 checkpoint"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("checkpoint", type=Path, help="a .pt file, or a Hugging Face directory")
    parser.add_argument("--out", type=Path, required=True, help="the pack's folder, not there yet")
    parser.add_argument("--frames", type=int, help="of a clip (default: 16, or 2 with actions)")
    parser.add_argument("--horizon", type=int, default=1, help="actions imagined in a row")
    parser.add_argument(
        "--weights", choices=("fp32", "fp16", "int8"), default="fp32", help="how they are kept"
    )
    parser.add_argument("--crop", type=int, help="pixels (default: the checkpoint's own, else 256)")
    parser.add_argument("--probe", type=Path, help="a classifier of Meta's for this checkpoint")


def run(arguments: argparse.Namespace) -> None:
    """Run the command; raises JepaError with the remedy when it cannot."""
    must_be_free(arguments.out)
    from jepa_lab.vjepa2.checkpoint import open_checkpoint
    from jepa_lab.vjepa2.convert import Wanted, convert

    wanted = Wanted(
        frames=arguments.frames,
        crop=arguments.crop,
        weights=arguments.weights,
        horizon=arguments.horizon,
    )
    checkpoint = open_checkpoint(arguments.checkpoint, arguments.probe)
    manifest = convert(checkpoint, wanted, arguments.out, lambda step: print(step, file=sys.stderr))
    print(f"{arguments.out}: {manifest.name}, {manifest.provenance.parameters} parameters")
