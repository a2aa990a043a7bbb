# SPDX-License-Identifier: Apache-2.0
"""A jepad whose model is the simplest that forecasts: every window will be like the newest frame.

It reads this machine and keeps a real history, so everything around the model is what ships.
Usage: served.py SOCKET STATE_DIR
$JEPA_TEST_PERIOD is the period in seconds; with $JEPA_TEST_HANG_AFTER=N the model hangs at its Nth tick.
"""

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from socket import SOCK_STREAM

import numpy as np

from jepa.notify import Notifier
from jepa.service.daemon import run
from jepa.service.engine import Engine
from jepa.service.history import History
from jepa.service.predictor import Loaded
from jepa.sockets import listen
from jepa.telemetry.frame import Frame
from jepa.telemetry.machine import open_machine
from jepa.telemetry.schema import Schema, load_schema
from jepa.world.forecast import Forecast, Surprise, Tick

HORIZONS_S = (1, 5, 60)
QUANTILES = (0.05, 0.5, 0.95)


class LastValue:
    """Foretells the newest frame, give or take the noise floor times the root of the horizon."""

    context_limit = 128
    unfamiliar = False

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._noise = np.array([channel.noise_floor for channel in schema.channels], np.float32)
        self.context_frames = 0
        self._hang_after = int(os.environ.get("JEPA_TEST_HANG_AFTER", "0"))
        self._ticks = 0

    def replay(self, frames: Sequence[Frame]) -> None:
        self.context_frames = min(self.context_limit, self.context_frames + len(frames))

    def tick(self, frame: Frame) -> Tick:
        self.replay([frame])
        self._ticks += 1
        if self._ticks == self._hang_after:
            time.sleep(3600)
        spread = self._noise[:, None, None] * np.sqrt(HORIZONS_S)[None, :, None]
        bands = frame.values[:, None, None] + spread * np.array([-1.0, 0.0, 1.0])
        bands = bands.astype(np.float32)
        forecast = Forecast(
            ts_ns=frame.ts_ns,
            channels=self._schema.names,
            horizons_s=HORIZONS_S,
            quantiles=QUANTILES,
            mean=bands,
            p90=bands,
        )
        surprise = Surprise(
            0.1, 0.1, 2.0, probability=0.5, channels=((self._schema.names[0], 0.4),), frames=300
        )
        return Tick(forecast, surprise, self.context_frames, elapsed_ms=0.2)


def main() -> None:
    socket, state = sys.argv[1:]
    schema = load_schema()
    history = History.open(Path(state) / "frames", schema)
    engine = Engine(
        open_machine(schema=schema),
        history,
        lambda: Loaded("last-value 1", LastValue(schema)),
        period_s=float(os.environ.get("JEPA_TEST_PERIOD", "1")),
    )
    run(engine, listen(Path(socket), SOCK_STREAM, "jepad"), Notifier())


if __name__ == "__main__":
    main()
