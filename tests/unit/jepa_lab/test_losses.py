# SPDX-License-Identifier: Apache-2.0
"""Each loss is least where it should be."""

import pytest
import torch

from jepa_lab.losses import (
    effective_rank,
    latent_prediction,
    missed_band,
    pinball,
    sigreg,
    variance_covariance,
)


@pytest.fixture
def normal() -> torch.Tensor:
    return torch.randn(800, 16, generator=torch.Generator().manual_seed(1))


def gaussianity(z: torch.Tensor) -> float:
    return sigreg(z, 256, torch.Generator().manual_seed(2)).item()


def test_sigreg_prefers_a_normal_cloud(normal: torch.Tensor) -> None:
    least = gaussianity(normal)
    assert least < gaussianity(3 * normal)
    assert least < gaussianity(normal.sign())
    assert least < gaussianity(normal * 0 + 0.1)
    assert gaussianity(normal * 0) > 20 * least


def test_effective_rank_counts_directions(normal: torch.Tensor) -> None:
    assert effective_rank(normal) > 15
    flat = normal[:, :1] @ torch.ones(1, 16)
    assert effective_rank(flat + 1e-4 * normal) < 1.2


def test_the_covariance_term_sees_the_collapse_to_a_line(normal: torch.Tensor) -> None:
    variance, covariance = variance_covariance(normal)
    _, on_a_line = variance_covariance(normal[:, :1] @ torch.ones(1, 16))
    assert on_a_line > 100 * covariance
    shrunk, _ = variance_covariance(0.1 * normal)
    assert shrunk > variance


def test_pinball_of_one_point_is_its_error() -> None:
    target = torch.full((4, 2, 3, 2), 1.5)
    quantiles = torch.ones(4, 2, 3, 2, 5)
    levels = torch.tensor([0.05, 0.25, 0.5, 0.75, 0.95])
    loss = pinball(quantiles, levels, target, torch.ones(4, 2, 3), torch.full((2, 3, 2), 0.5))
    assert loss.item() == pytest.approx(1.0)


def test_pinball_is_least_at_the_quantile() -> None:
    samples = torch.rand(4000, 1, 1, 1, generator=torch.Generator().manual_seed(3)).expand(-1, 1, 1, 2)
    unit, scored = torch.ones(1, 1, 2), torch.ones(4000, 1, 1)

    def loss(value: float) -> float:
        quantile = torch.full((4000, 1, 1, 2, 1), value)
        return pinball(quantile, torch.tensor([0.9]), samples, scored, unit).item()

    assert loss(0.9) < min(loss(0.8), loss(0.97))


def test_what_is_not_scored_costs_nothing() -> None:
    median, target = torch.zeros(1, 2, 1, 2), torch.ones(1, 2, 1, 2)
    scored = torch.tensor([[[1.0], [0.0]]])
    target[:, 0] = 0
    assert missed_band(median, target, scored, 0.05, 0.01).item() < 0.01
    assert missed_band(median, target, 1 - scored, 0.05, 0.01).item() > 0.99


def test_latent_prediction_looks_the_right_way() -> None:
    z = torch.arange(6.0)[None, :, None].expand(1, 6, 3)
    real = torch.ones(1, 6)
    assert latent_prediction(z + 2, z, real, 2).item() == 0
    assert latent_prediction(z - 2, z, real, 2).item() == 16
