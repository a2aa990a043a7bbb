# SPDX-License-Identifier: Apache-2.0
"""The measure of anomaly scores is 1 for the truth, the base rate for noise, and forgives inexact edges."""

import numpy as np
import pytest

from jepa_lab.vus import soft_labels, vus_pr

FRAMES, ANOMALIES = 600, [(100, 120), (400, 430)]


def truth() -> np.ndarray:
    return soft_labels(FRAMES, ANOMALIES, 0)


def test_the_truth_itself_is_near_one_and_its_opposite_near_nothing() -> None:
    assert vus_pr(truth(), ANOMALIES, 0) == pytest.approx(1)
    assert vus_pr(truth(), ANOMALIES, 10) > 0.85
    assert vus_pr(1 - truth(), ANOMALIES, 10) < 0.1


def test_noise_scores_about_the_base_rate() -> None:
    rng = np.random.default_rng(3)
    values = [vus_pr(rng.random(FRAMES), ANOMALIES, 10) for _ in range(20)]
    assert 0.05 < np.mean(values) < 0.15


def test_an_edge_that_is_off_by_a_few_frames_costs_less_with_a_soft_edge() -> None:
    late = np.roll(truth(), 4)
    assert vus_pr(late, ANOMALIES, 0) < vus_pr(late, ANOMALIES, 16)


def test_a_missed_anomaly_costs_more_than_half_of_each() -> None:
    one = soft_labels(FRAMES, ANOMALIES[1:], 0)
    halves = soft_labels(FRAMES, [(100, 112), (400, 418)], 0)
    assert vus_pr(one, ANOMALIES, 4) < vus_pr(halves, ANOMALIES, 4)


def test_labels_fall_off_beyond_the_edge() -> None:
    labels = soft_labels(20, [(8, 10)], 4)
    assert list(labels[8:10]) == [1, 1]
    assert 0 < labels[11] < labels[10] < 1
    assert labels[6] == labels[11]
    assert not labels[:6].any() and not labels[12:].any()


def test_nothing_to_find_is_an_error() -> None:
    with pytest.raises(ValueError, match="no anomaly"):
        vus_pr(np.zeros(5), [], 2)
