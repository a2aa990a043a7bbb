# SPDX-License-Identifier: Apache-2.0
"""`jepa-lab judge-visual`: judge a visual pack again, without training."""

import argparse
from pathlib import Path

from jepa.errors import JepaError

HELP = "judge a visual pack again, without training"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("--pack", type=Path, default=Path("model-packs/vision"))
    parser.add_argument("--episodes", type=int, default=400, help="to judge it on")


def run(arguments: argparse.Namespace) -> None:
    """Run the command; raises JepaError with the remedy when it cannot.

    The cloned policy is gone with its training, so its row stays as it is.
    """
    import json

    from jepa.robots.visual_planner import VisualPlanner
    from jepa_lab.visual.judge import judge, random_policy
    from jepa_lab.visual.recipes import recipe

    planner = VisualPlanner.load(arguments.pack)
    environment = recipe(planner.manifest.name).environment
    file = arguments.pack / planner.manifest.results
    try:
        before = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise JepaError(
            f"{file} cannot be read: {error}.", "Train the pack with `make packs-vision`."
        ) from error
    if before["episodes"] != arguments.episodes:
        raise JepaError(
            f"Others were judged on {before['episodes']} episodes.", "Use as many, or train the pack anew."
        )
    others = {"random": random_policy(1, environment.numbers)}
    results = judge(environment, planner, others, arguments.episodes)
    results["baselines"] = {**before["baselines"], **results["baselines"]}
    file.write_text(json.dumps({**before, **results}, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(results, indent=1))
