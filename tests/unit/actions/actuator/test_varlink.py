# SPDX-License-Identifier: Apache-2.0
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jepa.actions.actuator import varlink
from jepa.actions.actuator.varlink import Call, ProtocolError, Splitter, parse_call

TEXT = st.text(max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=40)
@given(TEXT, st.dictionaries(TEXT, VALUES, max_size=4), st.booleans())
def test_a_call_is_read_as_it_was_written(method: str, parameters: dict[str, object], more: bool) -> None:
    message = varlink.call(method, parameters, more)
    assert message.endswith(b"\0") and b"\0" not in message[:-1]
    assert parse_call(message[:-1]) == Call(method, parameters, more=more)


@given(st.lists(st.binary(max_size=30).filter(lambda each: b"\0" not in each), max_size=6), st.data())
def test_messages_are_the_same_however_they_arrive(messages: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(each + b"\0" for each in messages)
    splitter, found = Splitter(), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += splitter.feed(stream[:size])
        stream = stream[size:]
    assert found == messages
    assert not splitter.pending


@given(st.binary(max_size=200))
def test_garbage_is_refused_and_never_another_error(data: bytes) -> None:
    try:
        parse_call(data)
    except ProtocolError:
        return
    assert isinstance(json.loads(data), dict)


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"[]",
        b"[" * 100_000,
        b'{"method":1}',
        b'{"method":"a","parameters":[]}',
        b'{"method":"a","more":1}',
        b'{"method":"a","upgrade":true}',
        b'{"method":"a","parameters":{"x":NaN}}',
        b'{"method":"a","parameters":{"x":' + b"9" * 5000 + b"}}",
        b"\xff\xfe",
    ],
)
def test_what_is_no_call_is_refused(message: bytes) -> None:
    with pytest.raises(ProtocolError):
        parse_call(message)


def test_a_message_that_is_too_long_is_refused_before_it_has_ended() -> None:
    splitter = Splitter(most=100)
    splitter.feed(b"x" * 100)
    with pytest.raises(ProtocolError):
        splitter.feed(b"x")


def test_what_json_has_not_is_not_sent() -> None:
    with pytest.raises(ValueError, match="JSON"):
        varlink.reply({"x": float("nan")})
