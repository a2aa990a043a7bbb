# SPDX-License-Identifier: Apache-2.0
"""What a worker is shown follows from what was drawn, and is loaded a round ahead and no more than that."""

import random
from pathlib import Path

import numpy as np
import pytest

from jepa.errors import JepaError
from jepa.telemetry.recording import Recording
from jepa.world.scale import Scale
from jepa_lab.fleet.cluster import cluster
from jepa_lab.fleet.cuts import draw, load
from jepa_lab.fleet.training import PartFacts, part_facts
from jepa_lab.fleet.worker import Job, shown
from jepa_lab.model.config import ModelConfig
from jepa_lab.train_config import TrainConfig
from tests.unit.fleet.machines import SCHEMA
from tests.unit.jepa_lab.fleet.fleets import a_fleet, a_part, hosts_of, real

CONFIG = TrainConfig(validate_every=5)
RANK, CUTS = 1, 2
SIZE = ModelConfig.of(SCHEMA)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A training on two machines with a part each."""
    parts = {name: [a_part(real(name), 0, 300)] for name in ("t01-build", "t02-web")}
    address, owner = a_fleet(tmp_path, parts)
    hosts = hosts_of(address, owner)
    looked = part_facts(address, hosts[0].host, hosts[0].parts[0], SCHEMA, SIZE)
    assert isinstance(looked, PartFacts)
    return Job(address, SCHEMA, SIZE, CONFIG, looked.sums.facts(Scale(SCHEMA)), hosts, ())


def drawn(job: Job, number: int) -> list[Recording]:
    """What is drawn for round ``number``, loaded without Ray."""
    rng = random.Random(repr((job.config.seed, RANK, number)))
    rows = draw(job.train, job.config.validate_every * CUTS, rng)
    return [cut for row in rows for cut in load(job.address, row, job.schema)]


@pytest.mark.slow
def test_rounds_are_as_drawn_and_a_part_that_goes_ends_them(job: Job) -> None:
    wanted = [drawn(job, number) for number in range(2)]
    assert len(wanted[0]) == CONFIG.validate_every * CUTS
    with cluster(None):
        coming = shown(job, RANK, range(10**6), CUTS)  # all at once would take as long as a training
        for each in wanted:
            for one, same in zip(next(coming), each, strict=True):
                assert one.meta == same.meta
                np.testing.assert_array_equal(one.values, same.values)
        for file in Path(job.address.removeprefix("file://")).glob("hosts/*/*/frames.parquet"):
            file.unlink()
        with pytest.raises(JepaError, match="cannot be used any more"):
            for _ in range(2):  # the first may have been loaded before
                next(coming)
