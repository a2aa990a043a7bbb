# SPDX-License-Identifier: Apache-2.0
"""The `jepa-lab` command: record workloads, train the machine pack, evaluate it; convert vision packs."""

import argparse
import sys
import tomllib
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jepa.errors import JepaError
from jepa_lab.peers import PEERS
from jepa_lab.visual import NAMES as VISUAL

if TYPE_CHECKING:
    from jepa.packs.pack import Pack
    from jepa.telemetry.recording import Recording

    Run = tuple[Recording, Recording | None, Recording | None, Recording | None]
    """A recording, its twin, and both without actions."""

PACK = Path("model-packs/machine")
RECORDED = PACK / "recordings"


def main(argv: list[str] | None = None) -> int:
    """Run one verb; 0 done, 1 refused or failed, 2 usage."""
    arguments = _parser().parse_args(argv)
    try:
        arguments.run(arguments)
    except JepaError as error:
        print(f"jepa-lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("jepa-lab: interrupted; the same command goes on from here", file=sys.stderr)
        return 1
    return 0


_VERSION_HELP = "of the pack (default: that of the pack which is replaced, or 0.1.0)"


def version_in(folder: Path) -> str:
    """The version of the pack in ``folder``; of one that is not there yet, the first."""
    try:
        return str(tomllib.loads((folder / "pack.toml").read_text(encoding="utf-8"))["version"])
    except FileNotFoundError:
        return "0.1.0"
    except (KeyError, ValueError) as error:
        raise JepaError(
            f"{folder / 'pack.toml'} tells no version: {error}.", "Give one by --version."
        ) from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="jepa-lab", description=__doc__)
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    recorder = verbs.add_parser("record", help="run seeded workloads here and record the machine meanwhile")
    recorder.add_argument("--pack", type=Path, default=PACK, help="the pack's folder, where they are kept")
    recorder.add_argument("--plan", default="wide")
    recorder.add_argument(
        "--only", nargs="+", default=[], metavar="SESSION", help="default: all of the plan"
    )
    recorder.set_defaults(run=_record)
    trainer = verbs.add_parser("train", help="train the machine pack on recordings, and build it")
    trainer.add_argument("--recordings", type=Path, default=RECORDED)
    trainer.add_argument("--out", type=Path, default=PACK)
    trainer.add_argument("--version", help=_VERSION_HELP)
    trainer.add_argument("--seed", type=int, default=1)
    trainer.add_argument("--minutes", type=float, default=120.0, help="at most so long")
    trainer.set_defaults(run=_train)
    leaver = verbs.add_parser("ablate", help="train with one part left out at a time; an hour and more")
    leaver.add_argument("--recordings", type=Path, default=RECORDED)
    leaver.add_argument("--kept", type=Path, default=Path("build/ablations"), help="results so far")
    leaver.add_argument("--only", nargs="+", default=[], metavar="VARIANT", help="default: all of them")
    leaver.add_argument("--seed", type=int, default=1)
    leaver.add_argument("--out", type=Path, default=PACK / "results/ablations.json")
    leaver.set_defaults(run=_ablate)
    judge = verbs.add_parser("evaluate", help="replay held-out recordings and keep the figures")
    judge.add_argument("recordings", nargs="*", type=Path, help="default: those that come with the pack")
    judge.add_argument("--pack", type=Path, default=PACK)
    judge.add_argument("--out", type=Path, help="default: the results file of the pack; - writes none")
    judge.add_argument(
        "--peers", nargs="*", choices=PEERS, default=[], help="judge these beside it, fitted on --recorded"
    )
    judge.add_argument("--recorded", type=Path, default=RECORDED, help="what the peers are fitted on")
    judge.add_argument(
        "--plot", type=Path, help="PNG to draw (default: beside the results file of the pack)"
    )
    judge.add_argument("--json", action="store_true", help="print JSON instead of a table")
    judge.set_defaults(run=_evaluate)
    visual = verbs.add_parser("train-visual", help="train a visual world model, build its pack, judge it")
    visual.add_argument("--env", choices=VISUAL, default=VISUAL[0], help="default: %(default)s")
    visual.add_argument("--out", type=Path, help="default: the pack's folder under model-packs")
    visual.add_argument("--version", help=_VERSION_HELP)
    visual.add_argument("--seed", type=int, default=1)
    visual.add_argument("--episodes", type=int, default=400, help="to judge it on")
    visual.add_argument("--device", default="cpu", help="of PyTorch, to train on (default: %(default)s)")
    visual.add_argument(
        "--minutes", type=float, help="to train for, all in all (default: the recipe's steps)"
    )
    visual.add_argument("--keep", type=Path, metavar="DIR", help="only train, and keep it there")
    visual.set_defaults(run=_train_visual)
    builder = verbs.add_parser("build-visual", help="build and judge a pack of what was kept")
    builder.add_argument("kept", type=Path, help="the folder of train-visual --keep")
    builder.add_argument("--env", choices=VISUAL, default=VISUAL[0], help="default: %(default)s")
    builder.add_argument("--out", type=Path, help="default: the pack's folder under model-packs")
    builder.add_argument("--version", help=_VERSION_HELP)
    builder.add_argument("--episodes", type=int, default=400, help="to judge it on")
    builder.set_defaults(run=_build_visual)
    again = verbs.add_parser("judge-visual", help="judge that pack again, without training")
    again.add_argument("--pack", type=Path, default=Path("model-packs/vision"))
    again.add_argument("--episodes", type=int, default=400, help="to judge it on")
    again.set_defaults(run=_judge_visual)
    converter = verbs.add_parser("convert", help="build a vision pack from a V-JEPA 2 checkpoint")
    converter.add_argument("checkpoint", type=Path, help="a .pt file, or a Hugging Face directory")
    converter.add_argument("--out", type=Path, required=True, help="the pack's folder, not there yet")
    converter.add_argument("--frames", type=int, help="of a clip (default: 16, or 2 with actions)")
    converter.add_argument("--horizon", type=int, default=1, help="actions imagined in a row")
    converter.add_argument(
        "--weights", choices=("fp32", "fp16", "int8"), default="fp32", help="how they are kept"
    )
    converter.add_argument("--crop", type=int, help="pixels (default: the checkpoint's own, else 256)")
    converter.add_argument("--probe", type=Path, help="a classifier of Meta's for this checkpoint")
    converter.set_defaults(run=_convert)
    return parser


_MODEL, _CLONED = "model.pt", "cloned.pt"


def _train_visual(arguments: argparse.Namespace) -> None:
    import tempfile
    from functools import partial

    from jepa_lab.visual.keeping import keep
    from jepa_lab.visual.recipes import recipe
    from jepa_lab.visual.train import Clock, train

    chosen = recipe(arguments.env)
    with tempfile.TemporaryDirectory() as folder:
        kept = arguments.keep or Path(folder)
        kept.mkdir(parents=True, exist_ok=True)
        for name, cloning in ((_MODEL, False), (_CLONED, True)):
            training = replace(chosen.training, seed=arguments.seed, cloning=cloning)
            clock = Clock.within(30 * arguments.minutes) if arguments.minutes else None
            watch = partial(keep, kept / name)
            watch(train(chosen.environment, chosen.config, training, arguments.device, clock, watch))
        if not arguments.keep:
            arguments.kept = kept
            _build_visual(arguments)


def _build_visual(arguments: argparse.Namespace) -> None:
    import datetime
    import json

    from jepa.vision.planning import VisualPlanner
    from jepa_lab.visual.judge import cloning, judge, random_policy
    from jepa_lab.visual.keeping import kept
    from jepa_lab.visual.pack import build_pack
    from jepa_lab.visual.recipes import recipe

    chosen = recipe(arguments.env)
    environment, out = chosen.environment, arguments.out or chosen.folder
    trained, cloned = (kept(arguments.kept / name) for name in (_MODEL, _CLONED))
    report, training = trained.report, trained.report["training"]
    made = datetime.datetime.fromtimestamp((arguments.kept / _MODEL).stat().st_mtime, datetime.UTC)
    frames = training["walks"] * (training["length"] + 1)
    data = f"{frames} frames of walks in {environment.title}"
    facts = report | {"trained": made.date().isoformat(), "seed": training["seed"], "data": data}
    version = arguments.version or version_in(out)
    manifest = build_pack(environment.name, trained.model, facts, version, out)
    others = {
        "behaviour cloning": cloning(cloned.model),
        "own proposals, not imagined": cloning(trained.model),
        "random": random_policy(1, environment.numbers),
    }
    results = judge(environment, VisualPlanner.load(out), others, arguments.episodes)
    results["training"] = {key: report[key] for key in ("training", "parameters", "last")}
    file = out / manifest.results
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({key: value for key, value in results.items() if key != "training"}, indent=1))


def _judge_visual(arguments: argparse.Namespace) -> None:
    """What was cloned is gone with its training: its row stays as it is."""
    import json

    from jepa.vision.planning import VisualPlanner
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


def _convert(arguments: argparse.Namespace) -> None:
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


def _evaluate(arguments: argparse.Namespace) -> None:
    from jepa.evaluation.effect_scoring import Experiment, judge_effects
    from jepa.evaluation.evaluate import evaluate_all
    from jepa.evaluation.report import to_file_text
    from jepa.packs.pack import load_pack
    from jepa.telemetry.recording import TWIN, UNTOUCHED, load_recording, load_twin
    from jepa_lab.data import find_recordings
    from jepa_lab.peers.fitted import fit_peers

    pack = load_pack(arguments.pack)
    folders = arguments.recordings or find_recordings(arguments.pack / "heldout", "heldout")
    # Trials tell what actions do, and nothing of forecasts: nobody knows when the next one comes.
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


def _train(arguments: argparse.Namespace) -> None:
    import datetime

    from jepa.telemetry.schema import load_schema
    from jepa_lab.build import build_pack
    from jepa_lab.train import TrainConfig, save, train

    schema = load_schema()
    config = TrainConfig(seed=arguments.seed, minutes=arguments.minutes)
    trained = train(arguments.recordings, schema, config)
    trained.report["trained"] = datetime.datetime.now(datetime.UTC).date().isoformat()
    frames = trained.report["frames"]
    assert isinstance(frames, dict)
    counts = ", ".join(f"{split} {count} frames" for split, count in frames.items())
    trained.report["data"] = f"{counts}, of one machine and of emulated ones; see the card"
    save(trained, Path("build/models/machine.pt"))
    version = arguments.version or version_in(arguments.out)
    manifest = build_pack(
        trained.model, trained.report, arguments.recordings, schema, version, arguments.out
    )
    print(
        f"{arguments.out}: {manifest.name} {manifest.version}, {manifest.provenance.parameters} parameters"
    )


def _ablate(arguments: argparse.Namespace) -> None:
    import json

    from jepa.telemetry.schema import load_schema
    from jepa_lab.ablate import VARIANTS, ablate, table

    unknown = set(arguments.only) - set(VARIANTS)
    if unknown:
        raise JepaError(f"There is no variant {min(unknown)!r}.", f"Choose one of {', '.join(VARIANTS)}.")
    ablate(arguments.recordings, load_schema(), arguments.kept, arguments.only, arguments.seed)
    arguments.out.write_text(json.dumps(table(arguments.kept), indent=1) + "\n", encoding="utf-8")


def _record(arguments: argparse.Namespace) -> None:
    from jepa_lab.record import record_plan

    record_plan(arguments.plan, arguments.pack, arguments.only)


if __name__ == "__main__":
    sys.exit(main())
