# SPDX-License-Identifier: Apache-2.0
"""Runs inside the machine: what each part of a tick takes, by the clock of virtual time.

`python3 control_cost_guest.py LIBRARY FRAMES`: LIBRARY holds the package ``jepa`` that is measured, FRAMES
is an archive of NumPy's with ``values``. Prints JSON: milliseconds a tick by part, and a digest of all
answers.
"""

import hashlib
import importlib
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[:0] = [sys.argv[1], "/usr/lib/jepa"]

import numpy as np

WARM, TICKS = 140, 60
PARTS = {
    "world.model:WorldModel.tick": "a tick, all in all",
    "world.windows:Trailing.push": "windows of the past",
    "world.context:stats_on_scale": "the same on the model's scale",
    "world.recall_buffer:RecallBuffer.push": "what is recalled",
    "world.adapt:Adapter.adapt": "fitting to this machine",
    "world.event_probabilities:EventProbabilities.of_frame": "probabilities of events",
    "world.surprise:SurpriseMeter.measure": "surprise",
    "service.alerting:Alerting.look": "alerts, after the tick",
}
took: dict[str, float] = defaultdict(float)


def timed(function: Callable[..., Any], part: str) -> Callable[..., Any]:
    def measured(*args: Any, **named: Any) -> Any:
        begin = time.perf_counter()
        try:
            return function(*args, **named)
        finally:
            took[part] += time.perf_counter() - begin

    return measured


class Session:
    """A graph whose runs are timed."""

    def __init__(self, graph: Any, title: str) -> None:
        self.run = timed(graph.run, f"the graph {title.rpartition('/')[2]}")


def watch() -> None:
    """Time every part from now on."""
    for place, part in PARTS.items():
        module, _, name = place.partition(":")
        holder: Any = importlib.import_module(f"jepa.{module}")
        *outer, last = name.split(".")
        for each in outer:
            holder = getattr(holder, each)
        setattr(holder, last, timed(getattr(holder, last), part))
    sessions = importlib.import_module("jepa.world.sessions")
    for module in ("context", "forecast_decoder"):
        importlib.import_module(f"jepa.world.{module}").open_session = lambda graph, title: Session(  # type: ignore[attr-defined]
            sessions.open_session(graph, title), title
        )


def main() -> None:
    watch()
    from jepa.packs.pack import load_pack
    from jepa.packs.places import default_pack_dir
    from jepa.service.alerting import Alerting
    from jepa.telemetry.frame import Frame
    from jepa.world.model import WorldModel

    pack = load_pack(default_pack_dir())
    model, alerting = WorldModel.load(pack, pack.schema), Alerting(pack.schema, None)
    values = np.load(Path(sys.argv[2]))["values"]
    answers = hashlib.sha256()
    for number in range(WARM + TICKS):
        if number == WARM:
            took.clear()
        row = values[number % len(values)]
        frame = Frame(1_000_000_000 * number, row, ~np.isnan(row))
        tick = model.tick(frame)
        alerts = alerting.look(frame, tick)
        for array in (tick.forecast.mean, tick.forecast.p90, tick.forecast.event_probability, tick.latent):
            answers.update(np.ascontiguousarray(array).tobytes())
        answers.update(repr((tick.surprise, alerts)).encode())
    found = {part: 1e3 * seconds / TICKS for part, seconds in took.items()}
    shape = pack.manifest.shape
    courses = np.zeros((shape.candidates, shape.imagined, len(shape.controls)), np.float32)
    for part in ("courses imagined, the first time", "courses imagined again"):
        begin = time.perf_counter()
        model.imagine(courses)
        found[part] = 1e3 * (time.perf_counter() - begin)
    print(json.dumps({"ms": found, "answers": answers.hexdigest()}))


if __name__ == "__main__":
    main()
