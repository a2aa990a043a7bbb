# SPDX-License-Identifier: Apache-2.0
"""What a training on a fleet reaches with one worker and with two, beside what other seeds reach.

The machines are real recordings of this tree, a machine each, with a second part begun a minute later; a
step is as large as usual, the training far shorter, and most of a step's time goes to what Ray starts.

Usage: python -m tests.bench.fleet_training [OUT]
"""

import json
import statistics
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from jepa_lab.fleet.cluster import cluster
from jepa_lab.fleet.splits import split
from jepa_lab.fleet.training import FleetTrained, on_workers, train_fleet
from jepa_lab.fleet.worker import alone
from jepa_lab.train_config import TrainConfig
from tests.bench.fleet import SCHEMA, entry
from tests.unit.jepa_lab.fleet.fleets import a_fleet, a_part, hosts_of, real

NAMES = (
    "t01-build",
    "t02-web",
    "t03-night",
    "t05-grow",
    "t06-storm",
    "t07-mixed",
    "t09-mixed",
    "t10-timers",
)
CONFIG = TrainConfig(steps=30, validate_every=15)
ALONE, TOGETHER = (1, 2, 3), (1, 2)
"""Seeds."""


def main(out: Path) -> None:
    """Measure and write ``out``."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        machines = {each: [a_part(real(each), turn, 240, 60 * turn) for turn in range(2)] for each in NAMES}
        address, owner = a_fleet(folder, machines)
        divided = split(hosts_of(address, owner))
        with cluster(None):
            one = [
                pinball(train_fleet(address, divided, SCHEMA, replace(CONFIG, seed=seed), alone))
                for seed in ALONE
            ]
            two = [
                pinball(
                    train_fleet(
                        address,
                        divided,
                        SCHEMA,
                        replace(CONFIG, seed=seed),
                        on_workers(str(folder / "state"), 2),
                    )
                )
                for seed in TOGETHER
            ]
    print(one, two)
    entries = [
        entry("train_pinball_one_worker", statistics.mean(one), "of persistence", "lower", len(one)),
        entry("train_pinball_seeds_apart", max(one) - min(one), "of persistence", "lower", len(one)),
        entry("train_pinball_two_workers", statistics.mean(two), "of persistence", "lower", len(two)),
    ]
    out.write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")


def pinball(made: FleetTrained) -> float:
    """The best on validation."""
    history = made.trained.report["history"]
    assert isinstance(history, list)
    return min(float(line["pinball"]) for line in history)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("build/bench/fleet-training.json"))
