# SPDX-License-Identifier: Apache-2.0
"""Branches as trials of single settings: what the model imagined of each, and what it did."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from jepa.evaluation.courses import HORIZONS, CourseImaginer, CourseQuestion, PackImaginer, unit_means
from jepa.evaluation.effect_errors import Trial
from jepa.evaluation.effect_scoring import Experiment
from jepa.packs.pack import Pack
from jepa.planning.courses import PACK_SETTING, control, present_option
from jepa.telemetry.recording import TWIN, UNTOUCHED, Meta, Recording, load_recording, load_twin
from jepa.telemetry.roles import PLAYED, Role
from jepa.telemetry.schema import Schema, load_schema
from jepa.world.controls import CONTROL_NAMES, CONTROLS, HostSize
from jepa.world.forecast import FloatArray
from jepa.world.scale import Scale
from jepa_lab.branches.effects import taken, window_means
from jepa_lab.branches.schedule import NOTHING
from jepa_lab.branches.store import Branch, RecordedMoment, load_moment, moments_in
from jepa_lab.data import find_recordings

_KEPT: Final = 0.8
"""Of a window's length, for which a setting must be kept if it is to be judged by it."""


def trials(
    moment: RecordedMoment, session: int, pack: Pack, schema: Schema, imaginer: CourseImaginer | None = None
) -> list[Trial]:
    """The courses of ``moment`` that begin with a setting the pack knows; ``session`` tells it from others.

    ``schema`` is that of the moment's frames. A second step ends the windows that it falls into. What is
    imagined is what the pack says, or ``imaginer`` in its place.
    """
    memory_mib = int(moment.facts["shape"]["memory_mib"])
    host = HostSize(cpus=1, memory_mib=float(memory_mib))
    changes = [
        (branch, *moved)
        for branch in moment.branches
        if branch.name not in NOTHING
        and taken(branch.reports, len(branch.steps))
        and (moved := setting_moved(branch.steps[0], branch.reports[0], host)) is not None
    ]
    if not changes:
        return []
    own, scale = [schema.names.index(name) for name in pack.schema.names], Scale(pack.schema)
    context = Recording(
        pack.schema,
        moment.context.ts_ns,
        moment.context.values[:, own],
        (),
        (),
        Meta(schema.version, pack.schema.digest, 1, memory_mib, "", ""),
    )
    settings = np.zeros((2 * len(changes), len(CONTROLS)), np.float32)
    for row, (_, name, before, after) in enumerate(changes):
        at = CONTROL_NAMES.index(name)
        settings[2 * row, at], settings[2 * row + 1, at] = before, after
    question = CourseQuestion(len(context.ts_ns) - 1, settings)
    (imagined,) = (imaginer or PackImaginer(pack)).windows(context, [question])  # (2N, C, H)
    means = {
        branch.name: unit_means(window_means(branch.frames.values, HORIZONS)[own], scale)
        for branch in moment.branches
    }
    one, other = (means[name] for name in NOTHING)
    # What is measured is a branch less the mean of two that differ by chance alone.
    noise = np.asarray(np.abs(one - other) * np.sqrt(0.75), np.float32)
    found = []
    for row, (branch, name, before, after) in enumerate(changes):
        measured = np.where(_kept(branch), means[branch.name] - (one + other) / 2, np.nan)
        found.append(
            Trial(
                session,
                name,
                after > before,
                imagined[2 * row + 1] - imagined[2 * row],
                measured.astype(np.float32),
                noise,
            )
        )
    return found


def experiments_in(folder: Path, pack: Pack) -> list[Experiment]:
    """The recordings below ``folder`` of one action each, with what ran beside them and without it."""
    found = []
    for each in find_recordings(folder, "heldout"):
        acted = load_recording(each, pack.schema)
        endings = (TWIN, UNTOUCHED, UNTOUCHED + TWIN)
        twin, without, again = (load_twin(each, pack.schema, ending) for ending in endings)
        trial = acted.meta.labels.get("kind") == "trial"
        if trial and twin is not None and without is not None and again is not None:
            found.append(Experiment(acted, twin, without, again))
    return found


def trials_in(branches: Path, first: int, pack: Pack) -> list[Trial]:
    """The trials of the moments below ``branches`` that are not for judging a fit, their sessions from
    ``first`` on.

    The pack was trained on none of them. Runs of the same programs are one session: who leaves it out must
    not know them.
    """
    found: list[Trial] = []
    schema, sessions = load_schema(), dict[tuple[str, ...], int]()
    for folder in [*moments_in(branches, "train"), *moments_in(branches, "validation")]:
        moment = load_moment(folder, schema)
        programs = tuple(each["name"] for each in moment.facts["programs"])
        session = sessions.setdefault(programs, first + len(sessions))
        found += trials(moment, session, pack, schema)
    return found


def setting_moved(
    step: Mapping[str, Any], report: Mapping[str, Any], host: HostSize
) -> tuple[str, float, float] | None:
    """The pack's name of what a step set, and its strength before and after; None where it knows none."""
    role: Role | None = next((each for each in PLAYED if each in step["target"]), None)
    name = control(step["action"], role) if step["action"] in PACK_SETTING else None
    if name not in CONTROL_NAMES:
        return None
    before, after = (present_option(step["action"], report[end], 1, host).strength for end in ("old", "new"))
    return None if before == after else (name, before, after)


def _kept(branch: Branch) -> FloatArray:
    """(H,) whether the first setting was alone in force for each window."""
    until = branch.steps[1]["at_s"] if len(branch.steps) > 1 else len(branch.frames.ts_ns)
    return np.array([until >= _KEPT * horizon for horizon in HORIZONS])
