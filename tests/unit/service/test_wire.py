# SPDX-License-Identifier: Apache-2.0
"""Messages survive the way over the wire, and what is not a message is named."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.service.api import Band, ForecastOut, FrameOut, Part, TickOut
from jepa.service.wire import decode, encode

finite = st.floats(allow_nan=False, allow_infinity=False)
names = st.text(max_size=12)
frames = st.builds(
    FrameOut,
    ts_ns=st.integers(0, 2**63 - 1),
    values=st.dictionaries(names, st.none() | finite, max_size=3),
)
quantiles = st.dictionaries(names, finite, max_size=3)
bands = st.builds(Band, horizon_s=st.integers(1, 600), mean=quantiles, p90=quantiles)
forecasts = st.builds(
    ForecastOut,
    ts_ns=st.integers(0, 2**63 - 1),
    unit=st.dictionaries(names, names, max_size=3),
    channels=st.dictionaries(names, st.lists(bands, max_size=2), max_size=3),
)
ticks = st.builds(
    TickOut,
    frame=frames,
    forecast=st.none() | forecasts,
    surprise=st.none() | finite,
    surprise_channels=st.lists(st.tuples(names, finite), max_size=2),
    tick_ms=st.none() | finite,
)


@given(ticks)
def test_a_message_survives_the_way(tick: TickOut) -> None:
    assert decode(TickOut, encode(tick)) == tick


@given(st.lists(frames, max_size=3))
def test_a_list_of_messages_survives_the_way(sent: list[FrameOut]) -> None:
    assert decode(list[FrameOut], encode(sent)) == sent


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | finite | names,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
)


@given(json_values)
def test_anything_else_is_refused_with_its_place(value: object) -> None:
    with pytest.raises(ValueError, match="TickOut"):
        decode(TickOut, json.dumps(value))


def test_a_field_of_a_newer_daemon_is_passed_over() -> None:
    assert decode(Part, '{"name":"a","state":"ok","mood":"fine"}') == Part(name="a", state="ok")


def test_a_missing_field_is_named() -> None:
    with pytest.raises(ValueError, match=r"Part: .*missing.*`state`"):
        decode(Part, '{"name":"a"}')


def test_a_word_that_is_no_state_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Part: .*`\$\.state`"):
        decode(Part, '{"name":"a","state":"well"}')


def test_nan_is_null_on_the_wire() -> None:
    sent = encode(FrameOut(ts_ns=1, values={"a": float("nan")}))
    assert decode(FrameOut, sent).values == {"a": None}


def test_a_number_of_numpy_is_a_number() -> None:
    assert encode({"share": np.float64(0.5)}) == '{"share":0.5}'


def test_a_name_that_is_no_utf_8_is_escaped() -> None:
    sent = encode(Part(name="\udcff", state="ok"))
    assert sent.isascii() and decode(Part, sent.replace("\\udcff", "x")).name == "x"


def test_what_is_no_message_is_refused() -> None:
    with pytest.raises(TypeError, match="object is no message"):
        encode(object())
