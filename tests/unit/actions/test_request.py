# SPDX-License-Identifier: Apache-2.0
"""A request that is not exactly what its maker made, here and now, is refused with the reason."""

import json
import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.actions.messages import ActionRequest
from jepa.actions.request import VALID_S, digest, from_dict, make, verify
from jepa.errors import JepaError
from tests.unit.actions.file_machine import SteppedClock

CLOCK = SteppedClock()
UID = os.getuid()
WHAT: dict[str, Any] = {
    "action": "cpu.max",
    "target": "backup.service",
    "value": "40%",
    "for_s": 600.0,
    "watch_s": 10.0,
    "keep_if": "system.cpu.utilization below 90",
    "why": "the builds are slow",
    "task": "t1",
    "plan": "p1",
    "expected": "max",
    "predicted": {"system.cpu.utilization": (1.0, 2.0, 3.0)},
}
REQUEST = make(CLOCK, **WHAT)


def refusal(request: ActionRequest, uid: int = UID, clock: SteppedClock = CLOCK) -> str:
    with pytest.raises(JepaError) as raised:
        verify(request, uid, clock)
    assert raised.value.status in (403, 422)
    return raised.value.problem


def test_a_request_is_good_as_it_was_made_and_after_a_journey() -> None:
    verify(REQUEST, UID, CLOCK)
    travelled = from_dict(json.loads(json.dumps(REQUEST._asdict())))
    assert travelled == REQUEST
    verify(travelled, UID, CLOCK)


def test_no_two_are_the_same() -> None:
    assert make(CLOCK, **WHAT).id != make(CLOCK, **WHAT).id


@pytest.mark.parametrize("name", ActionRequest._fields)
def test_every_field_is_bound(name: str) -> None:
    value = getattr(REQUEST, name)
    other: Any = {} if name == "predicted" else value + "x" if isinstance(value, str) else value + 1
    assert "altered" in refusal(REQUEST._replace(**{name: other}))


@given(st.data())
def test_one_bit_that_is_another_is_noticed(data: st.DataObject) -> None:
    text = bytearray(json.dumps(REQUEST._asdict()).encode())
    bit = data.draw(st.integers(0, len(text) * 8 - 1))
    text[bit // 8] ^= 1 << bit % 8
    try:
        request = from_dict(json.loads(text))
    except (ValueError, JepaError):
        return
    if request != REQUEST:
        refusal(request)


def test_what_is_late_of_another_boot_or_of_somebody_else_is_refused() -> None:
    later = SteppedClock()
    later.now_s += VALID_S + 5
    assert refusal(REQUEST, clock=later) == "The request expired 5 s ago."
    assert "last started" in refusal(REQUEST, clock=SteppedClock("b" * 32))
    assert refusal(REQUEST, uid=UID + 1) == f"The request is of user {UID}, and user {UID + 1} sent it."


def test_nobody_makes_one_that_is_good_for_ever() -> None:
    forever = REQUEST._replace(expires_s=CLOCK.boottime_s() + 10 * VALID_S)
    assert "longer than" in refusal(forever._replace(digest=digest(forever)))


@pytest.mark.parametrize(
    "field",
    [
        {"command": "rm -rf /"},
        {"action": ""},
        {"action": 5},
        {"value": ["a"]},
        {"value": "x" * 257},
        {"value": 10**40},
        {"for_s": "1h"},
        {"for_s": float("nan")},
        {"watch_s": float("inf")},
        {"watch_s": None},
        {"uid": "0"},
        {"uid": True},
        {"why": None},
        {"predicted": {"a": [1, 2]}},
        {"predicted": {"a": [1, 2, float("nan")]}},
        {"predicted": []},
        {"predicted": {str(number): [0, 0, 0] for number in range(33)}},
    ],
)
def test_messages_that_are_no_request_are_refused(field: dict[str, Any]) -> None:
    with pytest.raises(JepaError) as raised:
        from_dict({**REQUEST._asdict(), **field})
    assert raised.value.status == 422


@given(
    st.dictionaries(
        st.sampled_from(ActionRequest._fields),
        st.from_type(object) | st.none() | st.text() | st.integers() | st.floats() | st.lists(st.integers()),
    )
)
def test_no_message_makes_it_raise_anything_else(content: dict[str, Any]) -> None:
    try:
        request = from_dict(content)
    except JepaError:
        return
    refusal(request)


@pytest.mark.parametrize(
    "field", [{"why": "x" * 501}, {"target": "x" * 257}, {"id": ""}, {"task": "x" * 65}]
)
def test_fields_have_a_longest_size(field: dict[str, str]) -> None:
    request = REQUEST._replace(**field)
    assert "The request" in refusal(request._replace(digest=digest(request)))
