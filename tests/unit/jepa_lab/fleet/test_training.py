# SPDX-License-Identifier: Apache-2.0
"""A fleet is trained on by two raylets, and a worker that is killed changes nothing of what comes of it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from jepa.errors import JepaError
from jepa_lab.fleet.cluster import cluster
from jepa_lab.fleet.splits import Split, split
from jepa_lab.fleet.survey import Problem
from jepa_lab.fleet.training import FleetTrained, on_workers, part_facts, train_fleet
from jepa_lab.model.config import ModelConfig
from jepa_lab.train_config import TrainConfig
from tests.unit.fleet.machines import SCHEMA
from tests.unit.jepa_lab.fleet.fleets import a_fleet, a_part, hosts_of, real

CONFIG = TrainConfig(steps=4, validate_every=2, frames=240, slices=8, decoded_frames=8, learning_rate=0.03)
"""So fast that four steps are seen in four digits, whichever machines are watched: their names are drawn."""
NAMES = ("t01-build", "t02-web", "t03-night", "t05-grow")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Split]:
    """Four machines with two parts of two minutes each."""
    machines = {
        name: [a_part(real(name), number, 120, 60 * number) for number in range(2)] for name in NAMES
    }
    address, owner = a_fleet(tmp_path_factory.mktemp("fleet"), machines)
    return address, split(hosts_of(address, owner))


def steps_of(made: FleetTrained) -> list[dict[str, float]]:
    """What was validated, without how long it took."""
    return [{**line, "seconds": 0.0} for line in made.trained.report["history"]]


def trained(fleet: tuple[str, Split], state: Path, workers: int) -> FleetTrained:
    return train_fleet(*fleet, SCHEMA, CONFIG, on_workers(str(state), workers))


def test_facts_of_a_part_of_another_length_than_was_signed_are_a_problem(fleet: tuple[str, Split]) -> None:
    address, divided = fleet
    host = divided.train[0]
    part = replace(host.parts[0], frames=121)
    found = part_facts(address, host.host, part, SCHEMA, ModelConfig.of(SCHEMA))
    assert isinstance(found, Problem)
    assert "120 frames instead of 121" in found.what


@pytest.mark.slow
def test_two_raylets_train_alike_also_when_a_worker_is_killed(
    fleet: tuple[str, Split], raylets: str, killer: Callable[..., object], tmp_path: Path
) -> None:
    with cluster(raylets):
        whole = trained(fleet, tmp_path / "whole", 2)
        state = tmp_path / "killed"
        dead = killer("RayTrainWorker", lambda: any(state.glob("*/checkpoint_*/*.pt")))
        again = trained(fleet, state, 2)
        assert dead.end() is not None
        # What has ended is not begun again.
        resumed = trained(fleet, state, 2)
    history = steps_of(whole)
    assert [line["step"] for line in history] == [1, 3]
    assert history[-1]["pinball"] < history[0]["pinball"]
    for other in (again, resumed):
        assert steps_of(other) == history
        states = (each.trained.model.state_dict() for each in (whole, other))
        for one, same in zip(*(each.values() for each in states), strict=True):
            assert torch.equal(one, same)
    assert whole.problems == ()


@pytest.mark.slow
def test_a_fleet_that_cannot_be_trained_on_is_said(fleet: tuple[str, Split], tmp_path: Path) -> None:
    address, divided = fleet
    short = tuple(
        host.__class__(host.host, tuple(replace(part, frames=9) for part in host.parts))
        for host in divided.train
    )
    with cluster(None), pytest.raises(JepaError, match="no recording to train on"):
        train_fleet(
            address,
            Split(short, divided.validation, divided.heldout),
            SCHEMA,
            CONFIG,
            on_workers(str(tmp_path)),
        )
