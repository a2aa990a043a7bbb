# SPDX-License-Identifier: Apache-2.0
"""Frames and forecasts become messages without losing, or inventing, a value."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.errors import JepaError
from jepa.service.ring import Entry
from jepa.service.serialisation import forecast_out, frame_out, rounded, tick_out
from jepa.service.wire import encode
from jepa.telemetry.frame import Frame
from jepa.telemetry.schema import load_schema
from jepa.world.forecast import Forecast, Surprise, Tick

SCHEMA = load_schema()
F = len(SCHEMA.channels)


def frame(absent: set[str] = frozenset()) -> Frame:  # type: ignore[assignment]
    values = np.arange(F, dtype=np.float32)
    valid = np.array([name not in absent for name in SCHEMA.names])
    values[~valid] = np.nan
    return Frame(ts_ns=5, values=values, valid=valid)


def forecast() -> Forecast:
    quantiles = np.broadcast_to(np.array([1.0, 2.0, 3.0], np.float32), (F, 2, 3))
    return Forecast(
        ts_ns=5,
        channels=SCHEMA.names,
        horizons_s=(1, 30),
        quantiles=(0.05, 0.5, 0.95),
        mean=quantiles,
        p90=quantiles + np.float32(1),
        events=("io_stall", "oom_kill"),
        event_probability=np.array([[0.1234567, 0.5], [np.nan, np.nan]], np.float32),
    )


floats = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(st.lists(floats, min_size=1, max_size=20))
def test_rounding_keeps_five_digits(values: list[float]) -> None:
    before = np.array(values, np.float32)
    assert np.allclose(rounded(before), before.astype(np.float64), rtol=5.1e-5, atol=0)


@given(floats.filter(lambda value: 1e-12 < abs(value) < 1e15))
def test_rounding_prints_no_more_than_five_digits(value: float) -> None:
    printed = repr(rounded(np.array([value], np.float32)).item())
    assert len(printed.lstrip("-").split("e")[0].replace(".", "").strip("0")) <= 5


def test_rounding_keeps_what_is_absent_absent() -> None:
    assert np.isnan(rounded(np.array([np.nan, 0.0], np.float32))).tolist() == [True, False]


def test_event_probabilities_are_given_where_known_and_only_for_the_horizon_asked() -> None:
    whole = forecast_out(SCHEMA, frame(), forecast())
    assert whole.event_probability == {"io_stall": {"1": 0.123, "30": 0.5}}
    one = forecast_out(SCHEMA, frame(), forecast(), horizon_s=30)
    assert one.event_probability == {"io_stall": {"30": 0.5}}


def test_an_absent_channel_is_null_and_zero_stays_zero() -> None:
    absent = SCHEMA.names[3]
    values = json.loads(encode(frame_out(SCHEMA, frame({absent}))))["values"]
    assert values[absent] is None
    assert values[SCHEMA.names[0]] == 0.0
    assert list(values) == list(SCHEMA.names)


def test_a_forecast_leaves_absent_channels_out() -> None:
    absent = SCHEMA.names[3]
    found = forecast_out(SCHEMA, frame({absent}), forecast())
    assert set(found.channels) == set(SCHEMA.names) - {absent}
    assert found.channels[SCHEMA.names[0]][1].mean == {"0.05": 1.0, "0.5": 2.0, "0.95": 3.0}
    assert found.channels[SCHEMA.names[0]][1].p90 == {"0.05": 2.0, "0.5": 3.0, "0.95": 4.0}


def test_an_absent_channel_asked_for_is_refused_with_its_source() -> None:
    absent = "hw.battery.charge"
    with pytest.raises(JepaError) as refused:
        forecast_out(SCHEMA, frame({absent}), forecast(), [absent])
    assert refused.value.status == 404
    assert SCHEMA.channels[SCHEMA.index(absent)].source in refused.value.remedy


def test_a_horizon_that_is_not_forecast_is_refused_with_the_nearest() -> None:
    with pytest.raises(JepaError, match="nearest is 30") as refused:
        forecast_out(SCHEMA, frame(), forecast(), [], 60)
    assert refused.value.status == 422


@pytest.mark.parametrize(
    ("frames", "probability", "reason"),
    [
        (2, None, "needs 300 frames of this machine, 2 seen"),
        (299, None, "needs 300 frames of this machine, 299 seen"),
        (300, 0.9, ""),
        (5000, 0.9, ""),
    ],
)
def test_surprise_is_given_once_its_scale_stands(
    frames: int, probability: float | None, reason: str
) -> None:
    surprise = Surprise(1.0, 1.0, 3.0, probability=0.9, channels=((SCHEMA.names[0], 2.0),), frames=frames)
    out = tick_out(SCHEMA, Entry(7, frame(), Tick(forecast(), surprise, 128, 0.5)))
    assert (out.sequence, out.surprise, out.surprise_reason) == (7, probability, reason)
    assert bool(out.surprise_channels) == (probability is not None)


@pytest.mark.parametrize("tick", [None, Tick(forecast(), None, 1, 0.5)])
def test_without_a_forecast_there_is_no_surprise_and_that_is_the_reason(tick: Tick | None) -> None:
    out = tick_out(SCHEMA, Entry(7, frame(), tick))
    assert (out.surprise, out.surprise_reason) == (None, "no forecast to compare with")


def test_a_tick_of_named_channels_has_no_other() -> None:
    names = SCHEMA.names[3], SCHEMA.names[1]
    out = tick_out(SCHEMA, Entry(7, frame({names[0]}), Tick(forecast(), None, 40, 0.5)), names)
    assert out.frame.values == {names[0]: None, names[1]: 1.0}
    assert out.forecast is not None and list(out.forecast.channels) == [names[1]]
    assert list(out.forecast.event_probability) == ["io_stall"]
