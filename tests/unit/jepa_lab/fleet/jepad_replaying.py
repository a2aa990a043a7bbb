# SPDX-License-Identifier: Apache-2.0
"""A jepad that lives through a recording again and again, 25 of its seconds in one; all else is what ships.

Usage: jepad_replaying.py SOCKET FOLDER_OF_PACKS RECORDING FIRST_FRAME PACK
"""

import itertools
import sys
from pathlib import Path
from socket import SOCK_STREAM

import numpy as np

from jepa.notify import Notifier
from jepa.packs.pack import load_pack
from jepa.service.daemon import run
from jepa.service.engine import Engine
from jepa.service.history import History
from jepa.service.predictor import Loaded
from jepa.sockets import listen
from jepa.telemetry.frame import Frame
from jepa.telemetry.histogram import Histogram
from jepa.telemetry.recording import Recording, load_recording
from jepa.telemetry.schema import Schema, load_schema
from jepa.telemetry.source_state import SourceState
from jepa.world.controls import host_of
from jepa.world.model import WorldModel

PERIOD_S = 0.04
SECOND_NS = 1_000_000_000


class Replaying:
    """Gives the frames of a recording, a second apart, from ``first`` on and then from its start."""

    def __init__(self, recording: Recording, first: int) -> None:
        self._recording, self._count = recording, itertools.count(first)

    @property
    def schema(self) -> Schema:
        return self._recording.schema

    def read(self) -> Frame:
        number = next(self._count)
        values = self._recording.values[number % len(self._recording.values)]
        return Frame(int(self._recording.ts_ns[0]) + number * SECOND_NS, values, ~np.isnan(values))

    def sources(self) -> list[SourceState]:
        return []

    def histograms(self) -> list[Histogram]:
        return []

    def close(self) -> None:
        pass


def main() -> None:
    socket, packs, place, first, pack = sys.argv[1:]
    schema = load_schema()
    recording = load_recording(Path(place), schema)

    def load(title: str) -> Loaded:
        found = load_pack(Path(packs) / title, schema)
        return Loaded(found.title, WorldModel.load(found, schema, host_of(recording.meta)))

    engine = Engine(
        Replaying(recording, int(first)),
        History(None),
        lambda: load(pack),
        period_s=PERIOD_S,
        load_named=load,
    )
    run(engine, listen(Path(socket), SOCK_STREAM, "jepad"), Notifier())


if __name__ == "__main__":
    main()
