# SPDX-License-Identifier: Apache-2.0
"""Those who learn nothing: no effect, and the kernel's own rules alone."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from jepa.evaluation.courses import HORIZONS, CourseQuestion
from jepa.telemetry.recording import Recording
from jepa.telemetry.roles import PLAYED
from jepa.telemetry.schema import Schema
from jepa.world.forecast import FloatArray
from jepa_lab.effect_peers.lessons import Situation, asked, see

_GAINED_BY_THE_CHANGE: Final = slice(2, 4)


class NoEffect:
    """Whatever is set, the last five seconds go on."""

    def windows(
        self, recording: Recording, questions: Sequence[CourseQuestion], horizons: Sequence[int] = HORIZONS
    ) -> list[FloatArray]:
        """As `jepa.evaluation.courses.CourseImaginer` says."""
        recent = see(recording).recent
        return [
            np.broadcast_to(
                recent[each.at][:, None], (len(each.settings), recent.shape[1], len(horizons))
            ).copy()
            for each in questions
        ]


class KernelRules:
    """Roles share the CPUs by weight, none has more than its quota, and a paused one has nothing.

    That says what each role uses, and what all of the machine does; of every other channel it says nothing.
    """

    def __init__(self, schema: Schema) -> None:
        self._situation = Situation.of(schema)
        self._roles = [schema.index(f"system.role.{role}.cpu") for role in PLAYED]
        self._all = schema.index("system.cpu.utilization")

    def windows(
        self, recording: Recording, questions: Sequence[CourseQuestion], horizons: Sequence[int] = HORIZONS
    ) -> list[FloatArray]:
        """As `jepa.evaluation.courses.CourseImaginer` says."""
        found, recent = NoEffect().windows(recording, questions, horizons), see(recording).recent
        for each, windows in zip(questions, found, strict=True):
            before, after = asked(each)
            used = np.repeat(recent[each.at][None], len(after), axis=0)
            gained = self._situation.gained(used, before, after)[:, _GAINED_BY_THE_CHANGE]
            windows[:, self._roles] += gained[..., None]
            windows[:, self._all] += gained.sum(axis=1)[:, None]
        return found
