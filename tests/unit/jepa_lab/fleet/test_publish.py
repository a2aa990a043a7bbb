# SPDX-License-Identifier: Apache-2.0
"""A tuned pack is published where it is better beyond noise, and nothing is where it is not.

The machines are real recordings, each begun somewhere else: they differ less than real machines would. The
pack that is bettered has learned for a single step, and lies beside the weights of the shipped one, from
which its tuning begins: to learn as much would take too long. The pack that is not bettered is the shipped
one. Steps far too large spoil both, which is noticed on the machines that are watched.
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from jepa.packs.pack import load_pack
from jepa_lab.ablate import table
from jepa_lab.fleet.ablate import ablate_fleet
from jepa_lab.fleet.cluster import cluster
from jepa_lab.fleet.publish import Made, make_pack
from jepa_lab.fleet.survey import Host
from jepa_lab.fleet.verdicts import Verdict
from jepa_lab.fleet.worker import alone
from jepa_lab.train_config import TrainConfig
from jepa_lab.weights import TRAINED, load_weights
from tests.unit.conftest import MACHINE_PACK
from tests.unit.fleet.machines import SCHEMA
from tests.unit.jepa_lab.fleet.fleets import a_fleet, a_part, hosts_of, real

NAMES = ("t01-build", "t02-web", "t03-night", "t05-grow", "t06-storm", "t07-mixed")
FRAMES = 180
CONFIG = TrainConfig(steps=1, validate_every=1, frames=360, slices=8)
SPOILING = replace(CONFIG, steps=4, validate_every=4, learning_rate=0.1)


@pytest.mark.parametrize(
    ("machines", "lower", "better"),
    [(6, 0.002, True), (6, 0.0005, False), (6, -0.1, False), (6, None, False), (5, 0.1, False)],
)
def test_only_what_is_beyond_noise_is_better(machines: int, lower: float | None, better: bool) -> None:
    verdict = Verdict("2 CPUs", machines, 0.9, 0.8, lower)
    assert verdict.better is better
    assert ("too few" in str(verdict)) == (machines == 5)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, tuple[Host, ...]]:
    """Eighteen machines of one kind."""
    machines = {
        f"{name}-{turn}": [a_part(real(name), 0, FRAMES, 45 * turn)] for name in NAMES for turn in (1, 2, 3)
    }
    address, owner = a_fleet(tmp_path_factory.mktemp("fleet"), machines)
    return address, hosts_of(address, owner)


def made(
    fleet: tuple[str, Sequence[Host]], config: TrainConfig, present: Path | None, version: str, out: Path
) -> Made:
    return make_pack(*fleet, SCHEMA, config, present=present, version=version, out=out, fit=alone)


@pytest.mark.slow
def test_a_pack_that_knew_little_is_bettered_and_the_shipped_one_is_not(
    fleet: tuple[str, tuple[Host, ...]], tmp_path: Path
) -> None:
    little, tuned, no_better = (tmp_path / name for name in ("little", "tuned", "no-better"))
    with cluster(None):
        first = made(fleet, CONFIG, None, "0.0.1", little)
        assert (first.published, first.decided, first.problems) == (True, (), ())
        shutil.copy(MACHINE_PACK / TRAINED, little)
        second = made(fleet, SPOILING, little, "0.0.2", tuned)
        third = made(fleet, SPOILING, MACHINE_PACK, "0.0.3", no_better)
    (verdict,) = second.decided
    assert second.published
    assert verdict.better, verdict
    pack = load_pack(tuned, SCHEMA)
    assert pack.title == "machine 0.0.2"
    assert load_weights(tuned).config.channels == len(SCHEMA.names)
    card = (tuned / "CARD.md").read_text()
    assert "Tuned from machine 0.0.1" in card
    assert f"- **yes**: {verdict}" in card
    results = json.loads((tuned / "results/heldout.json").read_text())
    assert results["for"][0]["better"]
    assert len(results["training"]["machines"]["heldout"]) == verdict.machines == 6
    assert not third.published
    assert not no_better.exists()
    assert "not beyond noise" in str(third.decided[0])
    assert abs(third.decided[0].ahead_lower) < 0.01  # what the steps had spoiled was not kept


@pytest.mark.slow
def test_variants_are_trained_a_task_each_and_kept(
    fleet: tuple[str, tuple[Host, ...]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    address, hosts = fleet
    names = ["half of the sessions"]
    with cluster(None):
        for _ in range(2):
            ablate_fleet(address, hosts, SCHEMA, tmp_path, names, CONFIG, [])
    assert capsys.readouterr().err.count("there already") == 1
    rows = table(tmp_path)["rows"]
    assert [row[0] for row in rows] == names
    assert all(0 < row[2] < 1 for row in rows)
