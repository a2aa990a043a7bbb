# SPDX-License-Identifier: Apache-2.0
"""Settings as numbers: nothing is 0, more of a limit is more, and what was set holds until it changes."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.telemetry.recording import Action, Recording
from jepa.world.controls import (
    CONTROLS,
    RECENT_S,
    Controls,
    HostSize,
    Recent,
    in_force,
    recent_means,
    strength,
)

HOST = HostSize(cpus=2, memory_mib=2048)
USUAL = {
    "cpu.weight": 100,
    "io.weight": 100,
    "cpu.max": None,
    "cpu.uclamp.max": None,
    "memory.high": None,
    "pause": 0,
    "swappiness": 60,
}


@pytest.mark.parametrize(("action", "value"), USUAL.items())
def test_the_usual_value_is_nothing(action: str, value: int | None) -> None:
    assert strength(action, value, HOST) == 0
    assert strength(action, None, HOST) == 0


@given(st.sampled_from(sorted(USUAL)), st.integers(0, 1 << 40))
def test_every_value_is_within_bounds(action: str, value: int) -> None:
    assert -1 <= strength(action, value, HOST) <= 1


def test_a_tighter_limit_is_a_stronger_one_and_less_weight_a_negative_one() -> None:
    def of(action: str, value: float) -> float:
        return strength(action, value, HOST)

    assert of("cpu.max", 10) > of("cpu.max", 50) > of("cpu.max", 100) > 0
    assert of("memory.high", 64) > of("memory.high", 512) > 0
    assert of("cpu.uclamp.max", 10) > of("cpu.uclamp.max", 40) > of("cpu.uclamp.max", 100) == 0
    assert of("cpu.weight", 10) < 0 < of("cpu.weight", 1000)


@given(st.integers(1, 256), st.floats(256, 1 << 20), st.floats(0.01, 1))
def test_a_limit_is_as_strong_as_the_share_of_the_machine_that_it_leaves(
    cpus: int, memory_mib: float, share: float
) -> None:
    for action, whole in (("cpu.max", 100.0 * cpus), ("memory.high", memory_mib)):
        of_one = strength(action, share * (100 if action == "cpu.max" else 2048), HostSize(1, 2048))
        assert strength(action, share * whole, HostSize(cpus, memory_mib)) == pytest.approx(of_one, abs=1e-6)
        assert strength(action, 1.01 * whole, HostSize(cpus, memory_mib)) == 0


def test_what_the_model_does_not_know_is_not_counted() -> None:
    controls = Controls(HOST)
    assert not controls.act("cpu.max", {"role": "system", "value": 10})
    assert not controls.act("reboot", {})
    assert not controls.act("cpu.max", {"role": "background", "value": "much"})
    assert not controls.vector.any()


def test_settings_hold_from_the_first_frame_after_the_action_until_the_next(recording: Recording) -> None:
    actions = (
        Action(25, "pause", {"role": "background", "value": 0}),
        Action(10, "pause", {"role": "background", "value": 1}),
        Action(20, "swappiness", {"role": None, "value": 200}),
    )
    told = in_force(replace(recording, actions=actions, ts_ns=np.array([5, 10, 15, 20, 25, 30])))
    assert list(told[:, CONTROLS.index(("pause", "background"))]) == [0, 1, 1, 1, 0, 0]
    assert list(told[:, CONTROLS.index(("swappiness", None))] > 0) == [False] * 3 + [True] * 3
    assert not told[:, CONTROLS.index(("cpu.max", "background"))].any()


def test_what_was_set_of_late_is_a_mean_over_the_last_frames() -> None:
    recent = Recent()
    set_now = np.zeros(len(CONTROLS), np.float32)
    set_now[3] = 1
    assert not recent.means.any(), "before there was a frame nothing was set"
    for _ in range(3):
        recent.push(set_now)
    np.testing.assert_allclose(recent.means[:, 3], [3 / span for span in RECENT_S])
    for _ in range(max(RECENT_S)):
        recent.push(set_now)
    np.testing.assert_allclose(recent.means[:, 3], 1)
    recent.push(np.zeros_like(set_now))
    np.testing.assert_allclose(recent.means[:, 3], [(span - 1) / span for span in RECENT_S])
    recent.fill(set_now)
    np.testing.assert_allclose(recent.means[:, 3], 1)


@pytest.mark.parametrize("strongest", [1, 0])
def test_the_means_of_a_recording_are_those_of_its_frames_one_by_one(strongest: float) -> None:
    settings = np.random.default_rng(0).uniform(-strongest, strongest, (50, len(CONTROLS)))
    settings = settings.astype(np.float32)
    recent = Recent()
    for row, told in zip(settings, recent_means(settings), strict=True):
        recent.push(row)
        np.testing.assert_allclose(told, recent.means)
