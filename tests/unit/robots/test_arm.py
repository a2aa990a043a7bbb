# SPDX-License-Identifier: Apache-2.0
"""The simulated arm goes where its links reach, grips its block, and cannot be moved out of its envelope."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jepa.errors import JepaError
from jepa.robots.arm import FLOOR, FORE, HEIGHT, UPPER, SimulatedArm, joints, links
from jepa.robots.catalogue import open_robot
from jepa.robots.safe_robot import SafeRobot

LIMITS = SimulatedArm.ENVELOPE.limits
PERIOD = 1 / SimulatedArm.ENVELOPE.rate_hz


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def arm() -> SimulatedArm:
    return SimulatedArm(0)


def place(arm: SimulatedArm, **numbers: float) -> None:
    seen = arm.get_observation()
    arm.send_action({name: numbers.get(name, seen[name]) for name in LIMITS})


@given(st.floats(0.2, 0.65), st.floats(-0.35, 0.35), st.floats(0.0, 0.6))
def test_its_hand_is_where_it_was_told_to_be_anywhere_in_its_workspace(x: float, y: float, z: float) -> None:
    points = links(*joints(np.array([x, y, z])))
    np.testing.assert_allclose(points[-1], [x, y, z], atol=1e-6)
    lengths = np.linalg.norm(np.diff(points, axis=0), axis=1)
    np.testing.assert_allclose(lengths, [UPPER, FORE], atol=1e-6)


def test_further_than_its_links_it_does_not_reach(arm: SimulatedArm) -> None:
    place(arm, x=5.0, y=5.0, z=0.4)
    seen = arm.get_observation()
    shoulder = np.array([seen["x"], seen["y"], seen["z"] - HEIGHT])
    assert np.linalg.norm(shoulder) == pytest.approx(UPPER + FORE)


def test_a_block_goes_with_a_closed_gripper_and_falls_from_an_open_one(arm: SimulatedArm) -> None:
    x, y = (float(each) for each in arm._block[:2])
    place(arm, x=x, y=y, z=FLOOR)
    place(arm, x=x, y=y, z=0.2)
    assert arm._block[2] == FLOOR, "an open gripper holds nothing"
    place(arm, z=FLOOR)
    place(arm, gripper=1.0)
    place(arm, x=0.3, y=0.1, z=0.25)
    np.testing.assert_allclose(arm._block, [0.3, 0.1, 0.25], atol=1e-6)
    place(arm, gripper=0.0)
    np.testing.assert_allclose(arm._block, [0.3, 0.1, FLOOR], atol=1e-6)


def test_what_it_does_is_seen(arm: SimulatedArm) -> None:
    pictures = [arm.get_observation()["camera"]]
    place(arm, y=0.2)
    pictures.append(arm.get_observation()["camera"])
    place(arm, gripper=1.0)
    pictures.append(arm.get_observation()["camera"])
    assert all(each.shape == (224, 224, 3) and each.dtype == np.uint8 for each in pictures)
    for one, other in itertools.pairwise(pictures):
        assert (one != other).any()
    np.testing.assert_array_equal(pictures[-1], arm.get_observation()["camera"])


ANYTHING = st.fixed_dictionaries(
    dict.fromkeys(LIMITS, st.floats(allow_nan=True, allow_infinity=True) | st.floats(-1, 1))
)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(ANYTHING, st.floats(0, 0.6)), min_size=1, max_size=6))
def test_whatever_is_asked_of_it_nothing_leaves_the_envelope(
    asked: list[tuple[dict[str, float], float]],
) -> None:
    arm, clock = SimulatedArm(0), Clock()
    sent_at = -math.inf
    safe = SafeRobot(arm, arm.ENVELOPE, clock=clock)
    for action, seconds in asked:
        clock.now += seconds
        before = arm.get_observation()
        stopped = safe.stopped
        try:
            sent = safe.send(action)
        except JepaError:
            after = arm.get_observation()
            assert [after[name] for name in LIMITS] == pytest.approx([before[name] for name in LIMITS])
            continue
        assert stopped is None
        assert clock.now - sent_at >= PERIOD * 0.999
        sent_at = clock.now
        after = arm.get_observation()
        for name, limit in LIMITS.items():
            assert limit.low <= sent[name] <= limit.high
            assert limit.low - 1e-9 <= after[name] <= limit.high + 1e-9
            assert abs(after[name] - before[name]) <= limit.a_second * PERIOD + 1e-6


def test_pressing_on_the_table_stops_it_and_it_lets_go(arm: SimulatedArm) -> None:
    clock = Clock()
    safe = SafeRobot(arm, arm.ENVELOPE, clock=clock)
    down = {name: arm.get_observation()[name] for name in LIMITS} | {"z": 0.0}
    with pytest.raises(JepaError, match=r"force is .*, more than 15"):
        for _ in range(20):
            clock.now += PERIOD
            safe.send(down)
    seen = arm.get_observation()
    assert seen["force"] == 0, "it was told to be where it is, on the table"
    assert seen["z"] == pytest.approx(FLOOR)
    clock.now += PERIOD
    with pytest.raises(JepaError, match="is stopped"):
        safe.send(down | {"z": 0.3})
    safe.release()
    assert safe.send(down | {"z": 0.3})["z"] > FLOOR


def test_it_is_had_by_name_and_holds_still_when_nobody_acts() -> None:
    robot, envelope = open_robot("simulated-arm")
    assert set(robot.action_features) == set(envelope.limits)
    clock = Clock()
    safe = SafeRobot(robot, envelope, clock=clock)
    safe.send({**{name: robot.get_observation()[name] for name in LIMITS}, "x": 0.45})
    clock.now += envelope.silence_s + 0.1
    before = robot.get_observation()
    safe.check_silence()
    after = robot.get_observation()
    assert all(after[name] == before[name] for name in LIMITS)
