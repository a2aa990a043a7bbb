# SPDX-License-Identifier: Apache-2.0
"""How far imagined courses drift from what then came, and from which second on persistence is as good.

After each change of a setting the imagined windows under the new settings lie beside those that came, for as
long as the settings were kept. Beside the pack lie its forecast as if nothing were done, the past window of
the same length, and the second run of the same. The latents of the pack's imagination, one a second, lie
beside those of the frames that then came.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from jepa.evaluation.courses import CourseImaginer, CourseQuestion, unit_means
from jepa.evaluation.effect_scoring import Experiment, changes_of
from jepa.evaluation.replay import aligned
from jepa.packs.pack import Pack
from jepa.telemetry.frame import Frame
from jepa.telemetry.recording import Meta, Recording, load_recording
from jepa.telemetry.schema import load_schema
from jepa.world.controls import CONTROL_NAMES, CONTROLS, ActionReplay, HostSize, host_of
from jepa.world.forecast import FloatArray
from jepa.world.model import WorldModel
from jepa.world.scale import Scale
from jepa_lab.branches.effects import taken, window_means
from jepa_lab.branches.schedule import NOTHING
from jepa_lab.branches.store import RecordedMoment
from jepa_lab.branches.trials import setting_moved
from jepa_lab.commands.defaults import PACK
from jepa_lab.data import find_recordings
from jepa_lab.effect_peers.lessons import LEARNED, see

_KEPT: Final = 0.8
_MOVES: Final = 0.05
"""Of the unit scale, by which a channel's seconds must spread for it to be judged."""
_EVERY: Final = 10
"""Ordinary frames, one in so many, of which latents are imagined."""

Errors = dict[tuple[str, int, str], list[float]]
"""By source, window and what is compared with what came: mean absolute errors, one a course."""


def course_errors(
    name: str,
    imaginer: CourseImaginer,
    experiments: Mapping[str, Experiment],
    moments: Mapping[str, RecordedMoment],
    pack: Pack,
) -> list[dict[str, Any]]:
    """Mean absolute errors of courses on the unit scale, over those of the past window repeated."""
    errors: Errors = defaultdict(list)
    for each in experiments.values():
        _of_experiment(each, imaginer, errors)
    for moment in moments.values():
        _of_moment(moment, imaginer, pack, errors)
    rows = []
    for source in ("trials", "branches"):
        for horizon in LEARNED:
            found = {
                what: value for (of, long, what), value in errors.items() if (of, long) == (source, horizon)
            }
            if not found:
                continue
            past = float(np.sum(found["past"]))
            rows.append(
                {
                    "courses": source,
                    "who": name,
                    "window": f"{horizon} s",
                    "judged": len(found["past"]),
                    "past window, error": round(past / len(found["past"]), 4),
                    "imagined": round(float(np.sum(found["with"])) / past, 3),
                    "as if nothing were done": round(float(np.sum(found["without"])) / past, 3),
                    "second run": round(float(np.sum(found["again"])) / past, 3)
                    if "again" in found
                    else "-",
                }
            )
    return rows


def _of_experiment(each: Experiment, imaginer: CourseImaginer, errors: Errors) -> None:
    changes, seen = changes_of(each.acted), see(each.acted)
    again = unit_means(aligned(each.twin, each.acted, LEARNED)[..., 0], Scale(each.acted.schema))
    judged = np.ptp(seen.frame, axis=0) > _MOVES
    questions = [CourseQuestion(change.at, np.stack([change.before, change.after])) for change in changes]
    for change, windows in zip(changes, imaginer.windows(each.acted, questions, LEARNED), strict=True):
        for column, horizon in enumerate(LEARNED):
            if change.kept < _KEPT * horizon:
                continue
            came = seen.came[change.at, :, column]
            use = judged & np.isfinite(came) & np.isfinite(again[change.at, :, column])
            _note(
                errors,
                ("trials", horizon),
                came[use],
                past=seen.past[change.at, use, column],
                without=windows[0, use, column],
                again=again[change.at, use, column],
                **{"with": windows[1, use, column]},
            )


def _of_moment(moment: RecordedMoment, imaginer: CourseImaginer, pack: Pack, errors: Errors) -> None:
    schema, scale = load_schema(), Scale(pack.schema)
    own = [schema.names.index(name) for name in pack.schema.names]
    memory_mib = int(moment.facts["shape"]["memory_mib"])
    meta = Meta(schema.version, pack.schema.digest, 1, memory_mib, "", "")
    context = Recording(pack.schema, moment.context.ts_ns, moment.context.values[:, own], (), (), meta)
    seen = see(context)
    host = HostSize(cpus=1, memory_mib=float(memory_mib))
    last = len(context.ts_ns) - 1
    for branch in moment.branches:
        if branch.name in NOTHING or not taken(branch.reports, len(branch.steps)):
            continue
        found = setting_moved(branch.steps[0], branch.reports[0], host)
        if found is None:
            continue
        setting, before, after = found
        settings = np.zeros((2, len(CONTROLS)), np.float32)
        settings[:, CONTROL_NAMES.index(setting)] = before, after
        (windows,) = imaginer.windows(context, [CourseQuestion(last, settings)], LEARNED)
        came = unit_means(window_means(branch.frames.values, LEARNED)[own], scale)
        frames = scale.to_unit(branch.frames.values[:, own])
        with np.errstate(invalid="ignore"):
            judged = np.nan_to_num(np.nanmax(np.concatenate([frames, seen.frame]), axis=0)) - np.nan_to_num(
                np.nanmin(np.concatenate([frames, seen.frame]), axis=0)
            )
        kept = branch.steps[1]["at_s"] if len(branch.steps) > 1 else len(branch.frames.ts_ns)
        for column, horizon in enumerate(LEARNED):
            if kept < _KEPT * horizon:
                continue
            use = (judged > _MOVES) & np.isfinite(came[:, column])
            _note(
                errors,
                ("branches", horizon),
                came[use, column],
                past=seen.past[last, use, column],
                without=windows[0, use, column],
                **{"with": windows[1, use, column]},
            )


def _note(errors: Errors, where: tuple[str, int], came: FloatArray, **said: FloatArray) -> None:
    if not len(came):  # as where the recording ends before the window does
        return
    for what, values in said.items():
        errors[(*where, what)].append(float(np.abs(values - came).mean()))


def latent_drift(experiments: Mapping[str, Experiment], pack: Pack) -> list[dict[str, Any]]:
    """Squared distances of latents, a number, second by second: imagined, and the last one kept."""
    ordinary = [
        load_recording(folder, pack.schema) for folder in find_recordings(PACK / "heldout", "heldout")
    ]
    plain = [
        each for each in ordinary if not each.actions and each.meta.labels.get("kind") in ("day", "busy")
    ]
    found = {
        "at a change": [
            _drifts(each.acted, pack, [change.at for change in changes_of(each.acted)])
            for each in experiments.values()
        ],
        "ordinary frames": [_drifts(each, pack, range(60, len(each.ts_ns), _EVERY)) for each in plain],
    }
    rows = []
    for title, parts in found.items():
        steps = np.concatenate(parts)  # (N, S, 3)
        imagined, last, without = np.moveaxis(steps.mean(axis=0), -1, 0)
        for second in range(steps.shape[1]):
            rows.append(
                {
                    "frames": title,
                    "after": f"{second + 1} s",
                    "judged": len(steps),
                    "imagined": round(float(imagined[second]), 3),
                    "as if nothing were done": round(float(without[second]), 3),
                    "the last latent kept": round(float(last[second]), 3),
                    "ratio": round(float(imagined[second] / last[second]), 3),
                }
            )
    return rows


def _drifts(recording: Recording, pack: Pack, at: Any) -> FloatArray:
    """(N, S, 3): of imagined latents, of the last one, and of those imagined with nothing done."""
    shape = pack.manifest.shape
    model = WorldModel.load(pack, recording.schema, host_of(recording.meta), adapt=False)
    actions, latents, said = ActionReplay(recording.actions), [], {}
    force = _forced(recording)
    wanted = {int(each) for each in at if each + shape.imagined < len(recording.ts_ns)}
    for number, (ts_ns, values) in enumerate(zip(recording.ts_ns, recording.values, strict=True)):
        actions.up_to(int(ts_ns), model)
        latents.append(model.tick(Frame(int(ts_ns), values, ~np.isnan(values))).latent)
        if number in wanted:
            sequences = np.zeros((2, shape.imagined, len(CONTROLS)), np.float32)
            sequences[0] = force[number]
            sequences[1] = force[number + 1 : number + 1 + shape.imagined]
            said[number] = model.imagine(sequences).latents
    rows = []
    for number, both in said.items():
        came = np.stack(latents[number + 1 : number + 1 + shape.imagined])
        parts = (both[1], np.broadcast_to(latents[number], came.shape), both[0])
        rows.append(np.stack([((part - came) ** 2).mean(axis=1) for part in parts], axis=-1))
    return np.stack(rows).astype(np.float32)


def _forced(recording: Recording) -> FloatArray:
    return see(recording).control
