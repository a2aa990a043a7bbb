# SPDX-License-Identifier: Apache-2.0
"""Nine of ten windows lie within the interval, on real series; and nothing is forecast over a gap."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.packs.pack import Pack
from jepa.signals.forecast import HORIZONS_S, LEAST_WINDOWS, SignalForecaster, quantile
from jepa.telemetry.recording import load_recording

CHANNELS = (
    "system.cpu.utilization",
    "system.pressure.io.some",
    "system.disk.io.write",
    "system.paging.faults",
)


def coverage(values: list[float], length: int, which: str) -> tuple[float, int]:
    """The share of windows that lay within what was forecast of them, and how many there were."""
    forecaster, kept, of = SignalForecaster(), 0, 0
    for at in range(len(values) - length):
        forecaster.add(at, values[at])
        if (found := forecaster.forecast().get(length)) is None:
            continue
        ahead = values[at + 1 : at + 1 + length]
        real = sum(ahead) / length if which == "mean" else quantile(sorted(ahead), 0.9)
        low, middle, high = found[which]
        assert low <= middle <= high
        kept += low <= real <= high
        of += 1
    return kept / of if of else float("nan"), of


@pytest.mark.parametrize("which", ["mean", "p90"])
@pytest.mark.parametrize("length", HORIZONS_S)
def test_nine_of_ten_windows_of_real_series_lie_within(pack: Pack, length: int, which: str) -> None:
    recording = load_recording(pack.folder / "heldout/l01-lived", pack.schema)
    shares, total = [], 0
    for name in CHANNELS:
        series = recording.values[:1500, pack.schema.index(name)]
        share, of = coverage([float(each) for each in series[~np.isnan(series)]], length, which)
        shares.append(share)
        total += of
    assert total > 3000
    assert 0.87 <= float(np.mean(shares)) <= 0.93, shares
    assert min(shares) >= 0.84, shares


def test_it_follows_a_series_that_changes_its_nature() -> None:
    dice = random.Random(7)
    values = [dice.gauss(0, 1) for _ in range(600)] + [dice.gauss(0, 5) for _ in range(900)]
    share, _ = coverage(values, 5, "mean")
    assert 0.86 <= share <= 0.94


def test_nothing_is_said_before_enough_is_known_or_over_a_gap() -> None:
    forecaster = SignalForecaster()
    first = 5 * LEAST_WINDOWS + 8  # the first miss is that of the tenth reading
    for at in range(first):
        forecaster.add(at, at % 3)
    assert forecaster.forecast() == {}
    forecaster.add(first, 1.0)
    assert list(forecaster.forecast()) == [5]
    forecaster.add(first + 11, 1.0)
    assert forecaster.forecast() == {}


@given(st.lists(st.floats(-1e15, 1e15), min_size=1, max_size=150))
def test_whatever_is_read_intervals_are_in_order(values: list[float]) -> None:
    forecaster = SignalForecaster()
    for at, value in enumerate(values):
        forecaster.add(at, value)
        for window in forecaster.forecast().values():
            assert all(low <= middle <= high for low, middle, high in window.values())


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40), st.floats(0, 1))
def test_quantiles_are_those_of_numpy(values: list[float], share: float) -> None:
    assert quantile(sorted(values), share) == pytest.approx(np.quantile(values, share), rel=1e-6, abs=1e-6)
