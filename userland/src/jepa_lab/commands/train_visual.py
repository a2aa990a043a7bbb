# SPDX-License-Identifier: Apache-2.0
"""`jepa-lab train-visual`: train a visual world model, build its pack, judge it."""

import argparse
from dataclasses import replace
from pathlib import Path

from jepa_lab.commands.build_visual import CLONED, MODEL, build
from jepa_lab.commands.defaults import VERSION_HELP
from jepa_lab.visual import NAMES as VISUAL

HELP = "train a visual world model, build its pack, judge it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("--env", choices=VISUAL, default=VISUAL[0], help="default: %(default)s")
    parser.add_argument("--out", type=Path, help="default: the pack's folder under model-packs")
    parser.add_argument("--version", help=VERSION_HELP)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--episodes", type=int, default=400, help="to judge it on")
    parser.add_argument("--device", default="cpu", help="of PyTorch, to train on (default: %(default)s)")
    parser.add_argument(
        "--minutes", type=float, help="to train for, all in all (default: the recipe's steps)"
    )
    parser.add_argument("--keep", type=Path, metavar="DIR", help="only train, and keep it there")


def run(arguments: argparse.Namespace) -> None:
    """Run the command; raises JepaError with the remedy when it cannot."""
    import tempfile
    from functools import partial

    from jepa_lab.visual.keeping import keep
    from jepa_lab.visual.recipes import recipe
    from jepa_lab.visual.train import Clock, train

    chosen = recipe(arguments.env)
    with tempfile.TemporaryDirectory() as folder:
        kept = arguments.keep or Path(folder)
        kept.mkdir(parents=True, exist_ok=True)
        for name, cloning in ((MODEL, False), (CLONED, True)):
            training = replace(chosen.training, seed=arguments.seed, cloning=cloning)
            clock = Clock.within(30 * arguments.minutes) if arguments.minutes else None
            watch = partial(keep, kept / name)
            watch(train(chosen.environment, chosen.config, training, arguments.device, clock, watch))
        if not arguments.keep:
            build(kept, arguments.env, arguments.out, arguments.version, arguments.episodes)
