# SPDX-License-Identifier: Apache-2.0
"""The pretrained peer: what it is asked, and how windows come of its seconds."""

import dataclasses

import numpy as np
import pytest

from jepa.telemetry.recording import Meta, Recording
from jepa.telemetry.schema import load_schema
from jepa_lab.peers.zeroshot import ZeroShot

HORIZONS, LEVELS = (1, 5, 60), (0.05, 0.5, 0.95)
SCHEMA = load_schema().select(["system.cpu.utilization", "system.memory.utilization"])


@pytest.fixture(scope="module")
def peer() -> ZeroShot:
    return ZeroShot()


def recording() -> Recording:
    """The first channel swings every eight seconds, the second is still."""
    frames = 90
    wave = 50 + 30 * np.sign(np.sin(np.arange(frames) * 2 * np.pi / 8 + 0.1))
    values = np.stack([wave, np.full(frames, 40.0)], axis=1).astype(np.float32)
    ts_ns = np.arange(frames, dtype=np.int64) * 1_000_000_000
    return Recording(SCHEMA, ts_ns, values, (), (), Meta(1, "", 2, 1024, "", ""))


def test_it_forecasts_windows_from_the_past_alone(peer: ZeroShot) -> None:
    original, now = recording(), 80
    values = original.values.copy()
    values[now + 1 :] = 3
    said, again = (
        peer.quantiles(each, [now], HORIZONS, LEVELS)
        for each in (original, dataclasses.replace(original, values=values))
    )
    np.testing.assert_array_equal(said, again)
    assert said.shape == (1, 2, len(HORIZONS), 2, len(LEVELS))
    assert (np.diff(said, axis=-1) >= 0).all()
    np.testing.assert_allclose(said[0, 1], 40, rtol=1e-5)
    assert 35 < said[0, 0, 2, 0, 1] < 65, "the mean of a minute of a swing around 50"


def test_of_seconds_that_hang_together_the_mean_is_less_sure() -> None:
    # Every second is uniform on 0.2..0.8, whatever the channel.
    paths = np.tile(np.linspace(0.26, 0.74, 9, dtype=np.float32), (1, 60, 1))
    apart, alike = (ZeroShot(hold).windows(paths, HORIZONS, LEVELS) for hold in (0.0, 0.99))
    width = [float(each[0, 2, 0, 2] - each[0, 2, 0, 0]) for each in (apart, alike)]
    assert width[0] < 0.1 < 0.3 < width[1]
    for each in (apart, alike):
        assert each[0, 2, 0, 1] == pytest.approx(0.5, abs=0.05)
        assert each[0, 2, 1, 1] >= each[0, 2, 0, 1], "the P90 lies above the mean"
    np.testing.assert_allclose(apart[0, 0, 0], apart[0, 0, 1], rtol=1e-6)
