# SPDX-License-Identifier: Apache-2.0
"""A day of frames, one after the other: nothing grows, nothing drifts."""

import time
from itertools import cycle, islice

import numpy as np
import psutil
import pytest

from jepa.packs.pack import Pack
from jepa.telemetry.frame import Frame
from jepa.telemetry.recording import Recording
from jepa.telemetry.schema import Schema
from jepa.world.model import WorldModel

DAY = 86_400


@pytest.mark.slow
def test_a_day_of_frames_leaves_the_model_as_it_was(
    pack: Pack, schema: Schema, recording: Recording
) -> None:
    model, process = WorldModel.load(pack, schema), psutil.Process()
    period = len(recording.values)
    took, half, last = np.empty(DAY), np.empty(0), np.empty(0)  # nothing of the test's own may grow
    early_rss = 0
    for number, values in enumerate(islice(cycle(recording.values), DAY)):
        start = time.perf_counter()
        tick = model.tick(Frame(number * 1_000_000_000, values, ~np.isnan(values)))
        took[number] = time.perf_counter() - start
        if number % period == period - 1:
            last = tick.forecast.mean
            if number < DAY / 2:
                half = last
            if number < 10 * period:
                early_rss = process.memory_info().rss
            assert tick.surprise is not None and 0 <= tick.surprise.probability <= 1
    assert (process.memory_info().rss - early_rss) / 2**20 < 4
    early, late = np.median(took[period : 10 * period]), np.median(took[-9 * period :])
    assert late < 1.5 * early
    # The same past again and again: what is said of it settles and stays, but for intervals of windows that
    # no stretch makes cover exactly nine in ten.
    settled = np.isclose(last, half, rtol=0.02, atol=0.02, equal_nan=True)
    assert settled.mean() > 0.98
