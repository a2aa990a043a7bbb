# SPDX-License-Identifier: Apache-2.0
"""Ranks are those of the newest values alone, whatever came before."""

from hypothesis import given
from hypothesis import strategies as st

from jepa.world.ranks import SlidingRanks

FLOATS = st.floats(-10, 10)


@given(values=st.lists(FLOATS, min_size=1, max_size=40), value=FLOATS, share=st.floats(0, 1))
def test_rank_and_quantile_are_those_of_the_newest_values(
    values: list[float], value: float, share: float
) -> None:
    ranks = SlidingRanks(7)
    for each in values:
        ranks.push(each)
    newest = sorted(values[-7:])
    assert len(ranks) == len(newest)
    assert ranks.below(value) == sum(each < value for each in newest)
    assert ranks.quantile(share) == newest[int(share * (len(newest) - 1))]


def test_after_clear_there_is_none() -> None:
    ranks = SlidingRanks(3)
    ranks.push(1.0)
    ranks.clear()
    assert (len(ranks), ranks.below(5.0)) == (0, 0)
