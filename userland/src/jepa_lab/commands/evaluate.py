# SPDX-License-Identifier: Apache-2.0
"""`jepa-lab evaluate`: replay held-out recordings and keep the figures."""

import argparse
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jepa_lab.commands.defaults import PACK, RECORDED
from jepa_lab.peers import PEERS

if TYPE_CHECKING:
    from jepa.packs.pack import Pack
    from jepa.telemetry.recording import Recording

    Run = tuple[Recording, Recording | None, Recording | None, Recording | None]
    """A recording, its twin, and both without actions."""

HELP = "replay held-out recordings and keep the figures"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("recordings", nargs="*", type=Path, help="default: those that come with the pack")
    parser.add_argument("--pack", type=Path, default=PACK)
    parser.add_argument("--out", type=Path, help="default: the results file of the pack; - writes none")
    parser.add_argument(
        "--peers", nargs="*", choices=PEERS, default=[], help="judge these beside it, fitted on --recorded"
    )
    parser.add_argument("--recorded", type=Path, default=RECORDED, help="what the peers are fitted on")
    parser.add_argument(
        "--plot", type=Path, help="PNG to draw (default: beside the results file of the pack)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def run(arguments: argparse.Namespace) -> None:
    """Run the command; raises JepaError with the remedy when it cannot."""
    from jepa.evaluation.effect_scoring import Experiment, judge_effects
    from jepa.evaluation.evaluate import evaluate_all
    from jepa.evaluation.report import to_file_text
    from jepa.packs.pack import load_pack
    from jepa.telemetry.recording import TWIN, UNTOUCHED, load_recording, load_twin
    from jepa_lab.data import find_recordings
    from jepa_lab.peers.fitted import fit_peers

    pack = load_pack(arguments.pack)
    folders = arguments.recordings or find_recordings(arguments.pack / "heldout", "heldout")
    # Trials measure what actions do, not forecasts: nobody knows when the next one comes.
    trials: list[Run] = []
    others: list[Run] = []
    for folder in folders:
        recording = load_recording(folder, pack.schema)
        second, without, again = (
            load_twin(folder, pack.schema, ending) for ending in (TWIN, UNTOUCHED, UNTOUCHED + TWIN)
        )
        run = recording, second, without, again
        (trials if recording.meta.labels.get("kind") == "trial" else others).append(run)
    experiments = [
        Experiment(acted, twin, without, again)
        for acted, twin, without, again in trials
        if twin is not None and without is not None and again is not None
    ]
    recordings, twins = [run[0] for run in others or trials], [run[1] for run in others or trials]
    peers = fit_peers(arguments.peers, arguments.recorded, pack)
    evaluation = evaluate_all(recordings, pack, twins, peers, judge_effects(experiments, pack))
    if not arguments.recordings and any((arguments.pack / "heldout").glob("f*/meta.json")):
        evaluation = replace(evaluation, anomalies=_anomalies(arguments.pack, arguments.recorded, pack))
    content = to_file_text(evaluation)
    print(content if arguments.json else evaluation.to_text())
    out = arguments.out or (None if arguments.recordings else arguments.pack / pack.manifest.results)
    if out is not None and str(out) != "-":
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(content, encoding="utf-8")
    plotted = arguments.plot or (None if arguments.recordings or str(arguments.out) == "-" else out)
    if plotted is not None:
        from jepa_lab.plots import plot

        plot(evaluation, plotted.with_suffix(".png"))


def _anomalies(folder: Path, recorded: Path, pack: "Pack") -> dict[str, Any]:
    from jepa.telemetry.recording import load_recording
    from jepa_lab.anomalies import judge_anomalies
    from jepa_lab.data import find_recordings, with_twins

    struck, train = (
        [load_recording(each, pack.schema) for each in folders]
        for folders in (
            find_recordings(folder / "heldout", "faults"),
            with_twins(find_recordings(recorded, "train")),
        )
    )
    return asdict(judge_anomalies(struck, train, pack))
