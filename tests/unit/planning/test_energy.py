# SPDX-License-Identifier: Apache-2.0
"""Energies over channels and latents: what is wanted, what is at worst, and what is never allowed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.planning.energy import HARDLY, AtMost, Bound, Energy, LatentTarget, Near, Outcome, Term, Weighted

share = st.floats(0, 1, width=32)


def outcome(
    values: list[float], deviation: float = 0.0, most: float = 1.0, latents: np.ndarray | None = None
) -> Outcome:
    """One channel ``a`` and one ``b`` that is 1 less it."""
    a = np.array(values, np.float32)
    middle = np.minimum(np.stack([a, 1 - a], axis=1), most)
    none = np.zeros(2, np.float32)
    return Outcome(
        ("a", "b"),
        middle,
        np.full_like(middle, deviation),
        np.full_like(middle, most),
        (none, none),
        np.zeros((len(a), 6, 4), np.float32) if latents is None else latents,
        np.full(len(a), deviation > 0),
    )


@pytest.mark.parametrize(
    ("term", "wanted"),
    [
        (Weighted("a", 2.0), [0.4, 1.6]),
        (Weighted("a", -2.0), [1.6, 0.4]),
        (AtMost("a", 0.5, 2.0), [2 * HARDLY * 0.2, 0.6 + 2 * HARDLY * 0.5]),
        (Near("a", 0.5, 2.0), [0.6, 0.6]),
        (Weighted("b"), [0.8, 0.2]),
    ],
)
def test_terms_say_what_is_wanted(term: Term, wanted: list[float]) -> None:
    np.testing.assert_allclose(Energy((term,)).expected(outcome([0.2, 0.8])), wanted, rtol=1e-5)


def test_an_energy_is_the_sum_of_its_terms() -> None:
    energy = Energy((Weighted("a", 2.0), AtMost("b", 0.5)))
    np.testing.assert_allclose(energy.expected(outcome([0.2])), [0.4 + 0.3 + HARDLY * 0.5], rtol=1e-5)
    assert energy.channels == ("a", "b")


@given(
    value=share,
    deviation=share,
    most=share,
    at=share,
    weight=st.floats(-2, 2, width=32),
    inside=st.floats(-1, 1),
)
def test_within_the_interval_nothing_is_worse_than_the_worst(
    value: float, deviation: float, most: float, at: float, weight: float, inside: float
) -> None:
    energy = Energy((Weighted("a", weight), AtMost("a", at), Near("a", at)))
    all_of_it = outcome([value], deviation, most)
    worst = energy.worst(all_of_it, 1.645)
    low, high = all_of_it.ends(1.645)
    somewhere = low + (high - low) * (1 + inside) / 2
    total = sum(term.energy(somewhere[:, 0]) for term in energy.terms)
    assert worst >= total - 1e-4
    assert worst >= energy.expected(all_of_it) - 1e-4


@pytest.mark.parametrize(("together", "lost"), [(1.0, 0.4), (0.0, 0.2 * 2**0.5), (0.25, 0.2 * 2.5**0.5)])
def test_channels_that_are_not_wrong_at_once_lose_less_at_worst(together: float, lost: float) -> None:
    energy, found = Energy((Near("a", 0.5), Near("b", 0.5))), outcome([0.3], 0.2)
    np.testing.assert_allclose(energy.worst(found, 1.0, together), [0.4 + lost], rtol=1e-5)


@given(value=share, deviation=share, least=share, most=share)
def test_a_bound_holds_over_the_whole_interval(
    value: float, deviation: float, least: float, most: float
) -> None:
    found = outcome([value], deviation)
    low, high = found.interval(1.645)
    kept = low[0, 0] >= np.float32(least) and high[0, 0] <= np.float32(most)
    assert Energy(bounds=(Bound("a", least, most),)).allowed(found, 1.645)[0] == kept


def test_a_state_is_reached_by_its_latent_as_far_as_latents_are_predicted() -> None:
    latents = np.zeros((2, 6, 4), np.float32)
    latents[1, -1] = 1.0
    energy = Energy(latent=LatentTarget(np.ones(4, np.float32), usual_error=0.4))
    np.testing.assert_allclose(energy.expected(outcome([0.1, 0.1], latents=latents)), [1.0, 0.0])
    np.testing.assert_allclose(energy.worst(outcome([0.1, 0.1], 0.1, latents=latents), 1.645), [1.4, 0.4])
