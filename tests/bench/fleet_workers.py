# SPDX-License-Identifier: Apache-2.0
"""How much faster two workers of Ray train than one: the same training in turns, where two cores are free.

The training is that of `jepa-lab fleet train`, on replayed machines (`tests.bench.fleet_replayed`) with
parts of an hour. A turn is one worker whose cluster is held to one core, one that has both (what it is shown
next is loaded on the other), and two; each in a process and a cluster of its own. Compared is how many
frames are learned from in a second between the first validation and the last, so that neither the start of a
cluster nor the first recordings count; how long starting takes is told, too. Beside the median of the turns
stands the fastest round of all, which other work on the machine disturbed least; not the last of a training,
beside which nothing is loaded.

Usage: python -m tests.bench.fleet_workers [OUT [TURNS]]
       python -m tests.bench.fleet_workers --run KIND CUTS STORE
"""

import contextlib
import functools
import itertools
import json
import operator
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import psutil

from jepa.world.scale import Scale
from jepa_lab.fleet.cluster import cluster
from jepa_lab.fleet.cuts import CUT, load, sample, slim
from jepa_lab.fleet.training import WATCHED, PartFacts, on_workers, part_facts
from jepa_lab.fleet.worker import Job, each_step
from jepa_lab.model.config import ModelConfig
from jepa_lab.train_config import TrainConfig
from tests.bench.fleet_replayed import HOUR, SCHEMA, Replayed, look, replayed

MACHINES, PARTS = 6, 2
TURNS = 3
CONFIGS: Final = {
    6: TrainConfig(frames=6 * CUT, steps=80, validate_every=20),
    12: TrainConfig(frames=12 * CUT, steps=40, validate_every=10),
}
"""By cuts a step, in rounds of as many. Six are about the usual five, and two workers can share them."""
USUAL: Final = 6
KINDS: Final = {"one_core": (1, 1), "one": (1, 2), "two": (2, 2)}
"""Workers, and cores that their cluster may use."""
_LOOK_S: Final = 0.25


def main(out: Path, turns: int = TURNS) -> None:
    """Measure and write ``out``."""
    found: dict[tuple[int, str], list[dict[str, float]]] = {
        (cuts, kind): [] for cuts in CONFIGS for kind in KINDS
    }
    with tempfile.TemporaryDirectory(prefix="jepa-fleet-workers-") as name:
        place = Path(replayed(Path(name), MACHINES, PARTS, HOUR).address.removeprefix("file://")).parent
        for turn in range(turns):
            for cuts, kind in found if turn % 2 == 0 else reversed(found):
                found[cuts, kind].append(one_run(kind, cuts, place))
                print(turn, kind, cuts, found[cuts, kind][-1], file=sys.stderr, flush=True)
    starts = [each["start_s"] for runs in found.values() for each in runs]
    made = [entry("fleet_train_start_s", starts, "s", "lower")]
    for cuts in CONFIGS:
        made += entries({kind: found[cuts, kind] for kind in KINDS}, cuts)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")


def entries(found: dict[str, list[dict[str, float]]], cuts: int) -> list[dict[str, Any]]:
    """The medians of steps of so many cuts, with the least and the most of the turns."""
    of = "fleet_train" if cuts == USUAL else f"fleet_train_{cuts}_cuts"
    made = []
    for name, better, unit in (
        ("frames_per_s", "higher", "1/s"),
        ("fastest_round_frames_per_s", "higher", "1/s"),
        ("cpu_ms_a_frame", "lower", "ms"),
    ):
        rates = {kind: [each[name] for each in found[kind]] for kind in KINDS}
        if "fastest" in name:
            rates = {kind: [max(each)] for kind, each in rates.items()}
        made += [entry(f"{of}_{kind}_{name}", rates[kind], unit, better) for kind in KINDS]
        if better == "higher":
            for kind in ("one", "one_core"):
                ratios = [two / one for two, one in zip(rates["two"], rates[kind], strict=True)]
                which = "_fastest_round" if "fastest" in name else ""
                made.append(entry(f"{of}_two_workers_times_{kind}{which}", ratios, "x", "higher"))
    return made


def entry(name: str, values: list[float], unit: str, better: str) -> dict[str, Any]:
    """One benchmark."""
    return {
        **{"name": name, "value": round(float(np.median(values)), 3), "unit": unit, "better": better},
        **{"n": len(values), "least": round(min(values), 3), "most": round(max(values), 3)},
        **{"p50": round(float(np.median(values)), 3), "p99": None, "baseline": None, "ratio": None},
    }


def one_run(kind: str, cuts: int, place: Path) -> dict[str, float]:
    """What a process of its own says of one training."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.fleet_workers", "--run", kind, str(cuts), str(place)],
        # As nice as Ray makes its workers otherwise, they would wait for all else that runs here.
        env=os.environ | {"RAY_worker_niceness": "0"},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return told


def run(kind: str, cuts: int, place: Path) -> None:
    """Train once and print how fast."""
    (workers, cores), config = KINDS[kind], CONFIGS[cuts]
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    job = job_of(look(place), config)
    with tempfile.TemporaryDirectory(prefix="jepa-fleet-state-") as state, cluster(None):
        began = time.monotonic()
        with spending(Path(state)) as spent:
            _, history = on_workers(state, workers)(job)
        took = time.monotonic() - began
    steps = history[-1]["step"] - history[0]["step"]
    seconds = history[-1]["seconds"] - history[0]["seconds"]
    a_step = workers * each_step(config, workers) * CUT
    frames = steps * a_step
    rounds = [now["seconds"] - before["seconds"] for before, now in itertools.pairwise(history[:-1])]
    told = {
        "frames_per_s": frames / seconds,
        "fastest_round_frames_per_s": a_step * config.validate_every / min(rounds),
        "step_s": seconds / steps,
        "start_s": took - history[-1]["seconds"],
        "took_s": took,
        "cpu_ms_a_frame": 1000 * (spent[-1] - spent[0]) / frames,
    }
    print(json.dumps({name: round(value, 3) for name, value in told.items()}))


@contextlib.contextmanager
def spending(state: Path) -> Iterator[list[float]]:
    """While in it, the processor's seconds of all processes below this one, from the first checkpoint on.

    How much work a frame is does not depend on what else the machine does, as the time that it takes does.
    """
    spent: list[float] = []
    last: dict[int, float] = {}
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_LOOK_S):
            for child in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    times = child.cpu_times()
                    last[child.pid] = times.user + times.system
            if spent or any(state.glob("*/checkpoint_*")):
                spent.append(sum(last.values()))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield spent
    finally:
        over.set()
        watcher.join()


def job_of(found: Replayed, config: TrainConfig) -> Job:
    """What `jepa-lab fleet train` would tell its workers, but that only the first parts were looked at."""
    size, (watched, *hosts) = ModelConfig.of(SCHEMA), [slim(host) for host in found.hosts]
    looked = [part_facts(found.address, host.host, host.parts[0], SCHEMA, size) for host in hosts[:5]]
    sums = [each.sums for each in looked if isinstance(each, PartFacts)]
    facts = functools.reduce(operator.add, sums).facts(Scale(SCHEMA))
    cuts = sample([watched], WATCHED, random.Random(config.seed))
    held = tuple(cut for drawn in cuts for cut in load(found.address, drawn, SCHEMA))
    return Job(found.address, SCHEMA, size, config, facts, tuple(hosts), held)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        run(sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
    else:
        main(Path((sys.argv[1:] or ["build/bench/fleet-workers.json"])[0]), *map(int, sys.argv[2:3]))
