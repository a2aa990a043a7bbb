# SPDX-License-Identifier: Apache-2.0
"""A query is read by what its route takes; anything else is refused by name."""

from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.errors import JepaError
from jepa.service.query import QueryError, read_query
from jepa.service.route import Parameter, Route
from jepa.service.routes import NotAllowed, find

ROUTE = Route(
    path="/v1/x",
    summary="x",
    body=None,
    parameters=(
        Parameter(name="limit", description="l", low=1, high=600, default=300),
        Parameter(name="channel", description="c", kind="string", repeated=True),
    ),
    answer=lambda engine, query: "",
)


def test_what_is_not_given_has_its_default() -> None:
    assert read_query(ROUTE, "") == {"limit": 300, "channel": []}


@given(st.integers(1, 600), st.lists(st.text(max_size=20), max_size=5))
def test_what_is_encoded_is_read_again(limit: int, channels: list[str]) -> None:
    text = urlencode({"limit": limit, "channel": channels}, doseq=True)
    assert read_query(ROUTE, text) == {"limit": limit, "channel": channels}


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_with_422(text: str) -> None:
    try:
        query = read_query(ROUTE, text)
    except QueryError as error:
        assert error.status == 422
        assert error.remedy
    else:
        assert 1 <= query["limit"] <= 600


@pytest.mark.parametrize("value", ["0", "601", "-1", "+5", "1.0", "", "٣", "9" * 30, "1&limit=2"])
def test_a_number_out_of_range_or_given_twice_is_refused(value: str) -> None:
    with pytest.raises(QueryError, match="limit is one whole number from 1 to 600"):
        read_query(ROUTE, f"limit={value}")


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(QueryError, match="no 'limits' but 'limit'"):
        read_query(ROUTE, "limits=3")


def test_more_than_a_hundred_fields_are_refused() -> None:
    with pytest.raises(QueryError, match="more than 100 fields"):
        read_query(ROUTE, "&".join(["channel=a"] * 101))


def test_an_unknown_path_is_answered_with_near_ones() -> None:
    with pytest.raises(JepaError, match="/v1/frame'") as refused:
        find("/v1/frame")
    assert refused.value.status == 404
    assert "/v1/frames" in str(refused.value.remedy)


@pytest.mark.parametrize(("path", "method"), [("/v1/status", "POST"), ("/v1/alerts/mute", "GET")])
def test_a_method_that_a_path_does_not_have_is_refused_with_those_it_has(path: str, method: str) -> None:
    with pytest.raises(NotAllowed) as refused:
        find(path, method)
    assert refused.value.status == 405
    assert refused.value.allowed == {"POST": "GET, HEAD", "GET": "POST"}[method]
