# SPDX-License-Identifier: Apache-2.0
"""No action leaves the envelope, a stop stays, and silence or force makes the robot stand still."""

import math
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.errors import JepaError
from jepa.robots.catalogue import open_robot
from jepa.robots.envelope import Envelope, Limit
from jepa.robots.safe_robot import SafeRobot

ENVELOPE = Envelope(
    limits={"shoulder.pos": Limit(-90, 90, 30), "gripper.pos": Limit(0, 100, 200)},
    rate_hz=10,
    forces={"gripper.force": 5.0},
    silence_s=0.2,
)
FINE = {"shoulder.pos": 1.0, "gripper.pos": 10.0}


class Arm:
    """A robot that goes where it is told at once, or fails when it is to."""

    action_features: Mapping[str, type] = {"shoulder.pos": float, "gripper.pos": float}

    def __init__(self) -> None:
        self.at = {"shoulder.pos": 0.0, "gripper.pos": 0.0}
        self.force = 0.0
        self.sent: list[dict[str, float]] = []
        self.is_connected = False
        self.broken = False

    def connect(self) -> None:
        self.is_connected = True

    def get_observation(self) -> Mapping[str, Any]:
        if self.broken:
            raise ConnectionError("no answer from motor 3")
        return {**self.at, "gripper.force": self.force}

    def send_action(self, action: Mapping[str, float]) -> Mapping[str, Any]:
        self.at = dict(action)
        self.sent.append(dict(action))
        return action

    def disconnect(self) -> None:
        self.is_connected = False


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def arm() -> Arm:
    return Arm()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def safe(arm: Arm, clock: Clock) -> SafeRobot:
    """Not entered: its watchdog does not run by itself."""
    return SafeRobot(arm, ENVELOPE, clock=clock)


@given(
    wanted=st.floats(allow_nan=False, allow_infinity=False),
    now=st.floats(-90, 90),
    seconds=st.floats(0.001, 1),
)
def test_whatever_is_wanted_stays_within_limits_and_speed(wanted: float, now: float, seconds: float) -> None:
    before = {"shoulder.pos": now, "gripper.pos": 50.0}
    bounded = ENVELOPE.bounded({"shoulder.pos": wanted, "gripper.pos": 50.0}, before, seconds)
    assert -90 <= bounded["shoulder.pos"] <= 90
    assert abs(bounded["shoulder.pos"] - now) <= 30 * seconds + 1e-9
    if -90 <= wanted <= 90 and abs(wanted - now) <= 30 * seconds:
        assert bounded["shoulder.pos"] == wanted


@pytest.mark.parametrize(
    "action",
    [{}, {"shoulder.pos": 1.0}, {**FINE, "elbow.pos": 1.0}, {**FINE, "shoulder.pos": math.nan}],
    ids=["empty", "missing", "unknown", "nan"],
)
def test_an_action_that_is_none_moves_nothing(safe: SafeRobot, arm: Arm, action: dict[str, float]) -> None:
    with pytest.raises(JepaError, match=r"An action must have|is no number"):
        safe.send(action)
    assert arm.sent == []


def test_actions_come_no_faster_than_the_envelope_says(safe: SafeRobot, arm: Arm, clock: Clock) -> None:
    assert safe.send(FINE) == FINE
    clock.now = 0.05
    with pytest.raises(JepaError, match="too soon"):
        safe.send(FINE)
    clock.now = 0.1
    safe.send(FINE)
    assert len(arm.sent) == 2


def test_a_stop_holds_where_it_is_and_stays_until_somebody_releases_it(
    safe: SafeRobot, arm: Arm, clock: Clock
) -> None:
    safe.send(FINE)
    safe.stop("the red button")
    assert arm.sent[-1] == FINE, "told to be where it is"
    clock.now = 1
    with pytest.raises(JepaError, match="stopped: the red button"):
        safe.send({**FINE, "shoulder.pos": 2.0})
    safe.release()
    assert safe.send(FINE) == FINE


def test_too_much_force_stops_it(safe: SafeRobot, arm: Arm, clock: Clock) -> None:
    arm.force = 6
    with pytest.raises(JepaError, match=r"gripper.force is 6, more than 5"):
        safe.send({**FINE, "gripper.pos": 20.0})
    arm.force = math.nan
    safe.release()
    with pytest.raises(JepaError, match="force is nan"):
        safe.send(FINE)


def test_silence_makes_it_hold_once(safe: SafeRobot, arm: Arm, clock: Clock) -> None:
    safe.check_silence()
    assert arm.sent == [], "nothing was asked of it yet"
    safe.send(FINE)
    clock.now = 0.3
    for _ in range(3):
        safe.check_silence()
    assert len(arm.sent) == 2


def test_a_robot_that_does_not_answer_is_stopped(arm: Arm) -> None:
    with SafeRobot(arm, ENVELOPE) as safe:
        assert arm.is_connected
        safe.send(FINE)
        arm.broken = True
        end = time.monotonic() + 5
        while safe.stopped is None and time.monotonic() < end:
            time.sleep(0.01)
        assert safe.stopped is not None
        assert "no answer from motor 3" in safe.stopped
    assert not arm.is_connected


def test_whoever_decides_may_refuse(arm: Arm, clock: Clock) -> None:
    class Never:
        def decide(self, action: Mapping[str, float], before: Mapping[str, Any]) -> None:
            raise JepaError("Policy forbids it.", "Ask somebody.")

    with pytest.raises(JepaError, match="Policy forbids"):
        SafeRobot(arm, ENVELOPE, Never(), clock).send(FINE)
    assert arm.sent == []


def test_robots_are_had_by_name() -> None:
    robot, envelope = open_robot("two-room")
    robot.connect()
    seen = robot.get_observation()
    assert set(envelope.limits) == set(robot.action_features) == {"x", "y"}
    assert seen["camera"].shape == (224, 224, 3)
    robot.send_action({"x": seen["x"] + 3, "y": seen["y"]})
    assert not np.array_equal(robot.get_observation()["camera"], seen["camera"]) or seen["x"] > 190
    for name in ("none", "nowhere.module:make", "json:nothing"):
        with pytest.raises(JepaError):
            open_robot(name)
