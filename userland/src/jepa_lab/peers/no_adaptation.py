# SPDX-License-Identifier: Apache-2.0
"""The world model as it was trained, without adapting to the machine: what adaptation has to beat."""

from collections.abc import Sequence

import numpy as np

from jepa.packs.pack import Pack
from jepa.telemetry.frame import Frame
from jepa.telemetry.recording import Recording
from jepa.world.controls import ActionReplay, host_of
from jepa.world.forecast import FloatArray
from jepa.world.model import WorldModel


class NoAdaptation:
    """The medians of ``pack`` alone."""

    def __init__(self, pack: Pack) -> None:
        self._pack = pack

    def points(self, recording: Recording, horizons: Sequence[int]) -> FloatArray:
        """(T, C, H, 2) in units."""
        model = WorldModel.load(self._pack, recording.schema, host_of(recording.meta), adapt=False)
        middle = self._pack.manifest.shape.quantiles.index(0.5)
        medians = []
        actions = ActionReplay(recording.actions)
        for ts_ns, values in zip(recording.ts_ns, recording.values, strict=True):
            actions.up_to(int(ts_ns), model)
            forecast = model.tick(Frame(int(ts_ns), values, ~np.isnan(values))).forecast
            medians.append(np.stack([forecast.mean[..., middle], forecast.p90[..., middle]], axis=-1))
        return np.stack(medians)
