# SPDX-License-Identifier: Apache-2.0
"""`jepa-lab build-visual`: build a pack from what train-visual --keep left, and judge it."""

import argparse
from pathlib import Path

from jepa_lab.commands.defaults import VERSION_HELP, version_in
from jepa_lab.visual import NAMES as VISUAL

MODEL, CLONED = "model.pt", "cloned.pt"
"""Files of the trained model and of its peer, in the folder that ``train-visual`` keeps."""

HELP = "build a pack from what train-visual --keep left, and judge it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("kept", type=Path, help="the folder of train-visual --keep")
    parser.add_argument("--env", choices=VISUAL, default=VISUAL[0], help="default: %(default)s")
    parser.add_argument("--out", type=Path, help="default: the pack's folder under model-packs")
    parser.add_argument("--version", help=VERSION_HELP)
    parser.add_argument("--episodes", type=int, default=400, help="to judge it on")


def run(arguments: argparse.Namespace) -> None:
    """Run the command; raises JepaError with the remedy when it cannot."""
    build(arguments.kept, arguments.env, arguments.out, arguments.version, arguments.episodes)


def build(folder: Path, env: str, out: Path | None, version: str | None, episodes: int) -> None:
    """Build the pack for ``env`` from ``folder`` into ``out``, judge it on ``episodes``, keep the results.

    By default the pack goes to the recipe's folder, with the version of the pack that is there.
    """
    import datetime
    import json

    from jepa.robots.visual_planner import VisualPlanner
    from jepa_lab.visual.judge import cloning, judge, random_policy
    from jepa_lab.visual.keeping import kept
    from jepa_lab.visual.pack import build_pack
    from jepa_lab.visual.recipes import recipe

    chosen = recipe(env)
    environment, out = chosen.environment, out or chosen.folder
    trained, cloned = (kept(folder / name) for name in (MODEL, CLONED))
    report, training = trained.report, trained.report["training"]
    made = datetime.datetime.fromtimestamp((folder / MODEL).stat().st_mtime, datetime.UTC)
    frames = training["walks"] * (training["length"] + 1)
    data = f"{frames} frames of walks in {environment.title}"
    facts = report | {"trained": made.date().isoformat(), "seed": training["seed"], "data": data}
    manifest = build_pack(environment.name, trained.model, facts, version or version_in(out), out)
    others = {
        "behaviour cloning": cloning(cloned.model),
        "own proposals, not imagined": cloning(trained.model),
        "random": random_policy(1, environment.numbers),
    }
    results = judge(environment, VisualPlanner.load(out), others, episodes)
    results["training"] = {key: report[key] for key in ("training", "parameters", "last")}
    file = out / manifest.results
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({key: value for key, value in results.items() if key != "training"}, indent=1))
