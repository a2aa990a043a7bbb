# SPDX-License-Identifier: Apache-2.0
"""A condition begins when enough observations show it, ends after a calm, and does not flicker between."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.world.hysteresis import Hysteresis


def changes(hysteresis: Hysteresis, observed: str) -> str:
    """What each observation (``x`` positive) did: B began, E ended, . nothing."""
    return "".join(
        ("B" if hysteresis.holds else "E") if hysteresis.push(each == "x") else "." for each in observed
    )


@pytest.mark.parametrize(
    ("observed", "expected"),
    [
        ("..x..x....", ".........."),  # never three within five
        ("x.x.x", "....B"),
        ("x.x..x.xx", "........B"),  # the first has left the window
        ("xxx" + "..x" + "...", "..B" + "..." + "..E"),  # the calm begins anew at each positive one
        ("xxx...xxx", "..B..E..B"),
        ("xxx...x", "..B..E."),  # what came before the end does not count again
    ],
)
def test_three_of_five_begin_it_and_three_calm_ones_end_it(observed: str, expected: str) -> None:
    assert changes(Hysteresis(of=5, enough=3, calm=3), observed) == expected


def test_one_alone_is_enough_where_that_is_asked() -> None:
    assert changes(Hysteresis(of=1, enough=1, calm=2), ".x.x..") == ".B...E"


def test_after_clear_nothing_holds_and_nothing_counts() -> None:
    hysteresis = Hysteresis(of=3, enough=2, calm=1)
    assert changes(hysteresis, "xx") == ".B"
    hysteresis.clear()
    assert not hysteresis.holds
    assert changes(hysteresis, "x") == "."


@pytest.mark.parametrize(("of", "enough", "calm"), [(3, 4, 1), (3, 0, 1), (3, 2, 0)])
def test_settings_that_cannot_work_are_refused(of: int, enough: int, calm: int) -> None:
    with pytest.raises(ValueError, match="no hysteresis"):
        Hysteresis(of=of, enough=enough, calm=calm)


@given(st.lists(st.booleans(), max_size=8), st.lists(st.booleans(), max_size=8))
def test_at_rest_a_negative_observation_changes_nothing(before: list[bool], after: list[bool]) -> None:
    one, other = Hysteresis(of=3, enough=2, calm=2), Hysteresis(of=3, enough=2, calm=2)
    for positive in before:
        one.push(positive)
        other.push(positive)
    if one.at_rest:
        assert not one.push(False)
    assert [one.push(positive) for positive in after] == [other.push(positive) for positive in after]
