# SPDX-License-Identifier: Apache-2.0
"""From the pack's event probabilities to those of this machine: calibrated, and absent where unknown."""

import numpy as np

from jepa.packs.pack import Pack
from jepa.telemetry.frame import BoolArray, Frame
from jepa.world.controls import HostSize
from jepa.world.event_calibration import EventCalibrator, EventDetector
from jepa.world.event_definitions import EVENT_DEFINITIONS
from jepa.world.forecast import FloatArray


class EventProbabilities:
    """The E events of ``pack`` on ``host``, whose definitions must be known; ``adapt`` calibrates them."""

    def __init__(self, pack: Pack, host: HostSize, *, adapt: bool) -> None:
        shape = pack.manifest.shape
        known = {each.name: each for each in EVENT_DEFINITIONS}
        definitions = [known[name] for name in shape.events]
        self._columns = np.array([pack.schema.index(each.channel) for each in definitions], np.intp)
        self._reported = np.array([each.event is not None for each in definitions], np.bool_)
        self._absent = np.array([name in shape.untrained_events for name in shape.events], np.bool_)
        if not host.service_manager:
            self._absent |= self._reported
        self._detector = EventDetector(definitions)
        self._calibrator = EventCalibrator(len(definitions), shape.horizons_s) if adapt else None

    def clear(self) -> None:
        """Forget this machine."""
        self._detector.clear()
        if self._calibrator is not None:
            self._calibrator.clear()

    def of_frame(self, probability: FloatArray, holds: FloatArray, unseen: BoolArray) -> FloatArray:
        """(E, H) of the pack's ``probability`` (E, H) at a frame at which the events ``holds`` (E,) hold.

        NaN where the pack was not trained for the event, or its channel is among the ``unseen`` (C,).
        """
        if self._calibrator is not None:
            probability = self._calibrator.adapt(probability, holds)
        probability[unseen[self._columns] | self._absent] = np.nan
        return probability

    def imagined(self, probability: FloatArray) -> FloatArray:
        """(K, E, H) of the pack's ``probability`` (K, E, H), without learning from it."""
        if self._calibrator is not None:
            probability = self._calibrator.calibrated(probability)
        probability[:, self._absent] = np.nan
        return probability

    def holding(self, frame: Frame) -> FloatArray:
        """(E,) whether each event holds at ``frame``, NaN where no channel shows it. One call a frame."""
        values = np.where(frame.valid[self._columns], frame.values[self._columns], np.nan)
        holds = self._detector.push(values)
        # Reported events have no channel of their own: the one they name only leads up to them.
        holds[self._reported] = np.nan
        return holds
