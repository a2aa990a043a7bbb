# SPDX-License-Identifier: Apache-2.0
"""A benefit is concluded from enough windows, as surely as its interval says."""

import numpy as np
import pytest

from jepa.tasks.benefit import LEAST_WINDOWS, benefit


def test_before_there_are_enough_windows_nothing_is_concluded() -> None:
    assert benefit((), ()).interval is None
    few = benefit((0.1,) * 40, (0.9,) * (LEAST_WINDOWS - 1))
    assert (few.taken, few.without, few.windows, few.interval, few.none) == (
        pytest.approx(0.1),
        pytest.approx(0.9),
        LEAST_WINDOWS - 1,
        None,
        False,
    )


def test_a_sure_saving_and_a_sure_loss() -> None:
    quiet, loud = (0.1, 0.12, 0.11, 0.1, 0.09, 0.1), (0.5, 0.52, 0.49, 0.5, 0.51, 0.5)
    saved, lost = benefit(quiet, loud), benefit(loud, quiet)
    assert saved.interval is not None and saved.interval[0] > 0.35 and not saved.none
    assert lost.interval is not None and lost.interval[1] < -0.35 and lost.none
    assert benefit((0.0,) * 6, (0.0,) * 6).none, "nothing is saved where nothing is lost"


def test_the_interval_holds_nine_of_ten_true_savings() -> None:
    random = np.random.default_rng(7)
    held = 0
    for _ in range(2000):
        taken, without = random.normal(0.2, 0.1, 8).tolist(), random.normal(0.3, 0.2, 6).tolist()
        low, high = benefit(taken, without).interval or (0.0, 0.0)
        held += low <= 0.1 <= high
    assert 0.88 < held / 2000 < 0.93
