# SPDX-License-Identifier: Apache-2.0
"""What many things have each for itself is kept as one value and found again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.actions.mixed import decode, encode, is_mixture, of

KEYS = st.from_regex(r"\A[a-z0-9@]{1,8}\Z")
SETTINGS = st.dictionaries(KEYS, st.integers(-20, 19), min_size=1)


def test_one_value_stands_for_all_that_share_it() -> None:
    assert encode({"policy0": "schedutil", "policy1": "schedutil"}) == "schedutil"
    assert encode({"1": 0, "2": 0}) == 0
    assert encode({"1": 0, "2": 5, "3": 0}) == "0; 2: 5"


@given(SETTINGS)
def test_each_thing_finds_its_own_value_again(values: dict[str, int]) -> None:
    decoded = decode(encode(values))
    assert {key: of(decoded, key) for key in values} == {key: str(value) for key, value in values.items()}


@given(SETTINGS, st.integers(-20, 19), st.data())
def test_any_state_between_old_and_new_is_a_mixture(
    old: dict[str, int], new: int, data: st.DataObject
) -> None:
    done = data.draw(st.sets(st.sampled_from(sorted(old))))
    between = {key: new if key in done else value for key, value in old.items()}
    assert is_mixture(encode(between), encode(old), new)


@pytest.mark.parametrize("found", ["powersave", "performance; policy1: powersave"])
def test_a_value_that_is_neither_is_none(found: str) -> None:
    assert not is_mixture(found, "schedutil", "performance")
