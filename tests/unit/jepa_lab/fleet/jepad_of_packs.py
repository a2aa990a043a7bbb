# SPDX-License-Identifier: Apache-2.0
"""A jepad whose packs are files with a number: every window will be as the newest frame, times that.

So one can be worse than another for certain. It reads this machine ten times a second; all around the model
is what ships.
Usage: jepad_of_packs.py SOCKET FOLDER_OF_PACKS
"""

import sys
from dataclasses import replace
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
from jepa.world.forecast import Tick
from tests.unit.service.served import LastValue

PERIOD_S = 0.1


class Times(LastValue):
    """The last value, times ``factor``."""

    def __init__(self, schema: Schema, factor: float) -> None:
        super().__init__(schema)
        self._factor = np.float32(factor)

    def tick(self, frame: Frame) -> Tick:
        tick = super().tick(frame)
        bands = tick.forecast.mean * self._factor
        return replace(tick, forecast=replace(tick.forecast, mean=bands, p90=bands))


def main() -> None:
    socket, packs = sys.argv[1:]
    schema = load_schema()

    def load(title: str) -> Loaded:
        factor = float((Path(packs) / f"{title}.raw").read_text())
        return Loaded(title.replace("_", " "), Times(schema, factor))

    engine = Engine(
        open_machine(schema=schema),
        History(None),
        lambda: load("machine_1.0.0"),
        period_s=PERIOD_S,
        load_named=load,
    )
    run(engine, listen(Path(socket), SOCK_STREAM, "jepad"), Notifier())


if __name__ == "__main__":
    main()
