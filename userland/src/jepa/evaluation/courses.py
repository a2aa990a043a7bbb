# SPDX-License-Identifier: Apache-2.0
"""What follows a frame under other settings, by whoever says so: the pack, or a peer judged beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from jepa.packs.pack import Pack
from jepa.telemetry.frame import Frame
from jepa.telemetry.recording import Recording
from jepa.world.controls import CONTROLS, ActionReplay, host_of
from jepa.world.forecast import FloatArray
from jepa.world.model import WorldModel
from jepa.world.scale import Scale

HORIZONS: Final = (5, 15, 30)
"""Seconds after a frame over whose mean effects are judged."""


@dataclass(frozen=True, slots=True)
class CourseQuestion:
    """What would follow a frame if each of some settings were kept from then on?"""

    at: int
    """The last frame that is seen."""
    settings: FloatArray
    """(K, A), in the order of CONTROLS; the first are those in force."""


class CourseImaginer(Protocol):
    """Anything that says what would follow under settings that are not in force yet."""

    def windows(
        self, recording: Recording, questions: Sequence[CourseQuestion], horizons: Sequence[int] = HORIZONS
    ) -> list[FloatArray]:
        """Of each question (K, C, H): the means of the windows to come, on the unit scale.

        Of the recording only what lies up to the frame of a question may be seen for it; questions ascend.
        """


def unit_means(means: FloatArray, scale: Scale) -> FloatArray:
    """Means (..., C, H) of windows, in the channels' units, on the unit scale."""
    return np.moveaxis(scale.to_unit(np.moveaxis(means, -2, -1)), -1, -2)


class PackImaginer:
    """A pack's own imagination, without adaptation; recordings may have channels that it does not know."""

    def __init__(self, pack: Pack) -> None:
        self._pack = pack

    def windows(
        self, recording: Recording, questions: Sequence[CourseQuestion], horizons: Sequence[int] = HORIZONS
    ) -> list[FloatArray]:
        """As `CourseImaginer` says, of the pack's channels; ValueError for horizons that it has not."""
        shape = self._pack.manifest.shape
        model = WorldModel.load(self._pack, recording.schema, host_of(recording.meta), adapt=False)
        scale = Scale(self._pack.schema)
        columns = [shape.horizons_s.index(horizon) for horizon in horizons]
        places = {question.at: number for number, question in enumerate(questions)}
        actions = ActionReplay(recording.actions)
        found: dict[int, FloatArray] = {}
        for number, (ts_ns, values) in enumerate(zip(recording.ts_ns, recording.values, strict=True)):
            actions.up_to(int(ts_ns), model)
            model.tick(Frame(int(ts_ns), values, ~np.isnan(values)))
            if number in places:
                settings = questions[places[number]].settings
                sequences = np.zeros((len(settings), shape.imagined, len(CONTROLS)), np.float32)
                sequences[:] = settings[:, None]
                found[places[number]] = unit_means(model.imagine(sequences).mean[:, :, columns], scale)
        return [found[number] for number in range(len(questions))]
