# SPDX-License-Identifier: Apache-2.0
"""Faults are read from a recording's schedule, and detectors score them above the rest."""

import dataclasses

import numpy as np
import pytest

from jepa.telemetry.recording import Meta, Recording
from jepa.telemetry.schema import load_schema
from jepa_lab.anomalies import Clusters, Pca, faults_of
from jepa_lab.vus import vus_pr

SCHEMA = load_schema().select(
    ["system.cpu.utilization", "system.cpu.utilization.user", "system.memory.utilization"]
)
SECOND = 1_000_000_000
SCHEDULE = [
    {"program": "browser", "start_s": 0.0, "seconds": 300.0},
    {"program": "spin", "start_s": 100.2, "seconds": 20.0},
]


def recording(seed: int, struck: bool = False) -> Recording:
    """User time is most of CPU time, unless something is wrong."""
    rng = np.random.default_rng(seed)
    busy = rng.uniform(10, 60, 300)
    values = np.stack([busy, 0.8 * busy, np.full(300, 40.0)], axis=1)
    values += rng.normal(0, 1, values.shape)
    if struck:
        values[101:121, 1] = 2
    values[rng.random(values.shape) < 0.02] = np.nan
    meta = dataclasses.replace(Meta(1, "", 2, 1024, "", ""), labels={"schedule": SCHEDULE})
    return Recording(SCHEMA, np.arange(300) * SECOND, values.astype(np.float32), (), (), meta)


def test_a_fault_lasts_from_its_first_frame_to_its_last() -> None:
    assert faults_of(recording(1)) == [(101, 122)]


@pytest.mark.parametrize("maker", [Pca, Clusters])
def test_a_detector_scores_what_breaks_a_rule_above_what_keeps_it(maker: type[Pca | Clusters]) -> None:
    detector = maker([recording(seed) for seed in range(4)])
    scores = detector.scores(recording(9, struck=True))
    assert vus_pr(scores, faults_of(recording(9)), 10) > 0.6
