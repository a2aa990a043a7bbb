# SPDX-License-Identifier: Apache-2.0
"""`jepa vision`: index what a video shows, search it, and predict what comes next."""

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jepa.errors import JepaError
from jepa.packs.pack import first_of_kind
from jepa.shell.formatting import event_line
from jepa.shell.request import Request
from jepa.shell.verbs.packs import chosen

if TYPE_CHECKING:
    from jepa.vision.clip import FloatArray
    from jepa.vision.index import LatentIndex
    from jepa.vision.model import VisionModel
    from jepa.vision.pipeline import Pipeline, Taken


def run(request: Request) -> int:
    """Do one of ACTIONS; Ctrl-C ends a source that does not end by itself."""
    if request.args.action == "reach":
        return reach(request)
    if request.args.action == "watch":
        return watch(request)
    from jepa.vision.model import VisionModel

    model = VisionModel.load(_pack(request, "vision"))
    with contextlib.suppress(KeyboardInterrupt):
        ACTIONS[request.args.action](request, model)
    return 0


def embed(request: Request, model: "VisionModel") -> None:
    """Put a latent of each clip into the index."""
    from jepa.vision.address import shown
    from jepa.vision.index import IndexedClip, pooled

    _refuse_endless(request)
    index, out = _index(request, model), request.out
    pipeline = _pipeline(request, model)
    source, kept = shown(request.args.source), 0
    try:
        for taken in _clips(request, pipeline):
            index.add(IndexedClip(source, taken.start_s, taken.end_s), pooled(model.encode(taken.frames)))
            kept += 1
            if not out.json:
                out.line(f"  {_span(taken)}  kept")
                out.flush()
    finally:
        source_counts = {"damaged": pipeline.source.damaged, "time_jumps": pipeline.source.jumps}
        counts = {"kept": kept, "in_index": len(index), **asdict(pipeline.counts), **source_counts}
        if out.json:
            out.data(counts)
        else:
            out.line(f"{kept} clips kept, {len(index)} in the index; {_lost(pipeline)}")


def search(request: Request, model: "VisionModel") -> None:
    """Show the clips of the index most like the first clip of a source."""
    from jepa.vision.address import shown
    from jepa.vision.index import pooled

    index = _index(request, model)
    if not len(index):
        raise JepaError(f"The index {_folder(request)} is empty.", "Fill it with `jepa vision embed`.")
    first = next(iter(_pipeline(request, model, still=True)), None)
    if first is None:
        raise JepaError(
            f"{shown(request.args.source)} is shorter than a clip.", "Name a longer one, or a picture."
        )
    found = index.search(pooled(model.encode(first.frames)), request.args.most)
    if request.out.json:
        request.out.data([{**asdict(each.clip), "cosine": each.cosine} for each in found])
        return
    for each in found:
        clip = each.clip
        request.out.line(f"  {each.cosine:6.3f}  {clip.start_s:8.1f} - {clip.end_s:.1f} s  {clip.source}")


def anticipate(request: Request, model: "VisionModel") -> None:
    """Predict the latents right after each clip, and compare them with those that come.

    Beside it the similarity that repeating the clip's last moment has: a model has to be better than that.
    """
    _refuse_endless(request)
    ahead = model.manifest.ahead
    step = model.manifest.clip.frames // model.manifest.tokens.time
    previous: Taken | None = None
    for taken in _clips(request, _pipeline(request, model)):
        if previous is not None:
            before = model.encode(previous.frames)
            predicted = model.predict(before)
            moved = (*previous.frames, *taken.frames)[ahead * step : ahead * step + len(taken.frames)]
            after = model.encode(moved)
            _show_moment(request, model, taken.start_s, (before, predicted, after))
            request.out.flush()
        previous = taken


def _show_moment(
    request: Request, model: "VisionModel", at_s: float, latents: "tuple[FloatArray, FloatArray, FloatArray]"
) -> None:
    """One line for each predicted step; latents: the clip before, predicted, the clip that came."""
    from jepa.vision.deviation import mean_cosine

    before, predicted, after = latents
    came = after[-len(predicted) :]
    label = {}
    if model.manifest.labels:
        next_, sure = model.classify(np.concatenate([before[len(predicted) :], predicted]))
        label = {"next": next_, "sure": sure, "was": model.classify(after)[0]}
    for number, (one, real) in enumerate(zip(predicted, came, strict=True), 1):
        row = {
            "at_s": at_s,
            "step": number,
            "predicted": mean_cosine(one, real),
            "last": mean_cosine(before[-1], real),
        }
        if request.out.json:
            request.out.data({**row, **label})
            continue
        line = f"  {at_s:8.1f} s  +{number}  predicted {row['predicted']:.3f}  last moment {row['last']:.3f}"
        request.out.line(
            f"{line}  {label['next']} {label['sure']:.2f}, was {label['was']}" if label else line
        )


ACTIONS: "dict[str, Callable[[Request, VisionModel], None]]" = {
    "embed": embed,
    "search": search,
    "anticipate": anticipate,
}


def reach(request: Request) -> int:
    """Move a robot until what its camera sees is as in the goal's picture; 1 when it did not get there.

    With --dry-run it only says what it would do first, and how far it would get.
    """
    from jepa.robots.action_conditioned import SearchSettings
    from jepa.robots.catalogue import open_robot
    from jepa.robots.loading import load_planner
    from jepa.robots.reaching import Reaching
    from jepa.robots.safe_robot import SafeRobot
    from jepa.vision.source import open_source

    args, out = request.args, request.out
    how = SearchSettings(samples=args.samples, iterations=args.iterations, seconds=args.seconds)
    planner = load_planner(_pack(request, "robot"), how)
    with contextlib.closing(open_source(args.source)) as source:
        goal = next(iter(source)).rgb
    robot, envelope = open_robot(args.robot)
    with SafeRobot(robot, envelope) as safe:
        reaching = Reaching(planner, safe, envelope, goal, args.seed)
        try:
            for _ in range(1 if args.dry_run else args.steps):
                move = reaching.plan() if args.dry_run else reaching.step()
                if out.json:
                    out.data(asdict(move))
                else:
                    numbers = "  ".join(f"{name} {value:.4g}" for name, value in move.action.items())
                    out.line(
                        f"  {move.left:6.4g} {move.unit} left, {move.expected_left:.4g} expected  {numbers}"
                    )
                out.flush()
                if move.reached:
                    break
            else:
                move = move if args.dry_run else reaching.plan()  # where the last step led
        except KeyboardInterrupt:
            safe.stop("Ctrl-C")
            move = reaching.plan()
    if not out.json:
        out.line(
            "Goal reached." if move.reached else "Not moved." if args.dry_run else "Goal not reached yet."
        )
    return 0 if move.reached or args.dry_run else 1


def watch(request: Request) -> int:
    """Show the events of a source as they come, and report them to the machine's event stream.

    Without a vision pack these are plain changes.
    """
    from jepa.service.serialisation import event_out
    from jepa.telemetry.events.eventlog import LoggedEvent
    from jepa.telemetry.events.reporting import EventReporter
    from jepa.vision.camera_watch import CameraWatch
    from jepa.vision.daemon import sights

    args, out = request.args, request.out
    _refuse_endless(request)
    sight, coarse_because = sights(None if args.pack is None else chosen(args.pack))
    if coarse_because and not out.json:
        out.line(f"Plain changes of coarse pictures: {coarse_because}")
    heard = 0
    watching, reporter = CameraWatch(args.source, sight(), args.fps), EventReporter()
    with contextlib.suppress(KeyboardInterrupt), contextlib.closing(iter(watching)) as coming:
        for events in coming:
            for event in events:
                reporter.report(event)
                heard += 1
                shown = event_out(LoggedEvent(heard, event))
                out.data(shown) if out.json else out.line(event_line(shown))
                out.flush()
            if args.clips is not None and watching.counts.clips >= args.clips:
                break
    if out.json:
        out.data({"counts": asdict(watching.counts), "unreported": reporter.waiting, "why": reporter.fault})
    else:
        out.line(watching.counts.words)
        if reporter.waiting:
            out.line(f"{reporter.waiting} events are not in `jepa events`: {reporter.fault}")
    reporter.close()
    return 0


def _pipeline(request: Request, model: "VisionModel", *, still: bool = False) -> "Pipeline":
    """``still``: a single picture is as good as a clip of it."""
    from jepa.vision.clip import Framer
    from jepa.vision.pipeline import Gate, HeldPictureSource, Pipeline
    from jepa.vision.source import open_source

    source = open_source(request.args.source)
    gate = Gate(request.args.skip_unchanged) if request.args.action == "embed" else None
    frames = model.manifest.clip.frames
    wanted = HeldPictureSource(source, frames, request.args.fps) if still else source
    return Pipeline(wanted, Framer(model.manifest.clip), frames, request.args.fps, gate)


def _refuse_endless(request: Request) -> None:
    from jepa.vision.source import is_live

    if request.prompt and request.args.clips is None and is_live(request.args.source):
        raise JepaError("At this prompt a camera needs an end.", "Add --clips 10, or use a terminal.")


def _clips(request: Request, pipeline: "Pipeline") -> "Iterator[Taken]":
    return itertools.islice(pipeline, request.args.clips)


def _index(request: Request, model: "VisionModel") -> "LatentIndex":
    from jepa.vision.index import LatentIndex

    return LatentIndex(_folder(request), model.manifest.name, model.manifest.tokens.width)


def _folder(request: Request) -> Path:
    if request.args.index is not None:
        return Path(request.args.index)
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share"
    return Path(data) / "jepa/vision"


def _pack(request: Request, kind: str) -> Path:
    if request.args.pack is not None:
        return chosen(request.args.pack)
    found = first_of_kind(kind)
    if found is not None:
        return found
    raise JepaError(
        f"There is no {kind} pack here.",
        "Name one with --pack; `jepa packs build vjepa2` makes one for vision.",
    )


def _span(taken: "Taken") -> str:
    return f"{taken.start_s:8.1f} - {taken.end_s:.1f} s"


def _lost(pipeline: "Pipeline") -> str:
    counts, source = pipeline.counts, pipeline.source
    line = f"{counts.unchanged} unchanged, {counts.taken} frames taken, {counts.dropped} dropped"
    line += f", {source.damaged} damaged" if source.damaged else ""
    return f"{line}, {source.jumps} jumps in time" if source.jumps else line
