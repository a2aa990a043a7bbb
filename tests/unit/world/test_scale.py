# SPDX-License-Identifier: Apache-2.0
"""The unit scale and back."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from jepa.telemetry.schema import load_schema
from jepa.world.scale import Scale

SCHEMA = load_schema()
SCALE = Scale(SCHEMA)
LOW = np.array([channel.low for channel in SCHEMA.channels])
HIGH = np.array([channel.high for channel in SCHEMA.channels])


def test_the_range_becomes_zero_to_one() -> None:
    np.testing.assert_allclose(SCALE.to_unit(LOW.astype(np.float32)), 0, atol=1e-6)
    np.testing.assert_allclose(SCALE.to_unit(HIGH.astype(np.float32)), 1, atol=1e-6)


@given(st.floats(0, 1))
def test_back_and_forth_is_the_same_value(share: float) -> None:
    values = (LOW + share * (HIGH - LOW)).astype(np.float32)
    back = SCALE.from_unit(SCALE.to_unit(values))
    np.testing.assert_allclose(back, values, rtol=1e-3, atol=1e-3)


def test_absent_stays_absent() -> None:
    absent = np.full(len(LOW), np.nan, np.float32)
    assert np.isnan(SCALE.to_unit(absent)).all()
    assert np.isnan(SCALE.from_unit(absent)).all()
