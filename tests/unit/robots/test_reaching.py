# SPDX-License-Identifier: Apache-2.0
"""The shipped pack moves the simulated robot until it sees the goal's picture, and only as far as it may."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from jepa.errors import JepaError
from jepa.robots import two_room
from jepa.robots.envelope import Envelope, Limit
from jepa.robots.reaching import Reaching
from jepa.robots.safe_robot import SafeRobot
from jepa.robots.visual_planner import VisualPlanner
from jepa.shell.cli import main

PACK = Path(__file__).parents[3] / "model-packs/vision"


@pytest.fixture(scope="module")
def planner() -> VisualPlanner:
    return VisualPlanner.load(PACK)


class Clock:
    """Time goes on when somebody waits."""

    now = 0.0

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds


def picture(*at: float) -> np.ndarray:
    return two_room.draw(np.array([at], np.float32))[0]


def reaching(
    planner: VisualPlanner, room: two_room.SimulatedRoom, goal: np.ndarray, clock: Clock
) -> Reaching:
    safe = SafeRobot(room, room.ENVELOPE, clock=clock)
    return Reaching(planner, safe, room.ENVELOPE, goal, wait=clock.wait)


@pytest.mark.parametrize(("start", "goal"), [((60, 170), (60, 60)), ((80, 60), (160, 60))])
def test_it_gets_there_and_goes_through_the_door_if_it_must(
    planner: VisualPlanner, start: tuple[float, float], goal: tuple[float, float]
) -> None:
    room, clock = two_room.SimulatedRoom(0), Clock()
    room._at = np.array([start], np.float32)
    on_way = reaching(planner, room, picture(*goal), clock)
    moves = []
    for _ in range(50):
        moves.append(on_way.step())
        if moves[-1].reached:
            break
    assert moves[-1].reached
    assert two_room.reached(room._at, np.array([goal], np.float32))[0], "as the environment has it"
    assert moves[0].left > moves[-1].left


class Frozen(two_room.SimulatedRoom):
    """Its camera gives the picture of the start for ever; numbers go on."""

    def get_observation(self) -> Mapping[str, Any]:
        return {**super().get_observation(), "camera": picture(60, 170)}


def test_a_robot_whose_camera_has_stopped_is_stopped(planner: VisualPlanner) -> None:
    room, clock = Frozen(0), Clock()
    room._at = np.array([(60.0, 170.0)], np.float32)
    safe = SafeRobot(room, room.ENVELOPE, clock=clock)
    on_way = Reaching(planner, safe, room.ENVELOPE, picture(60, 60), wait=clock.wait)
    with pytest.raises(JepaError, match="still shows the same picture"):
        for _ in range(10):
            on_way.step()
    assert safe.stopped == "its camera shows the same picture while it moves"
    assert room._at[0, 1] > 170 - 5 * two_room.SPEED, "a few steps at most"


def test_a_robot_that_cannot_move_has_a_camera_that_shows_the_same(planner: VisualPlanner) -> None:
    room, clock = two_room.SimulatedRoom(0), Clock()
    room._at = np.array([(104.0, 150.0)], np.float32)  # at the wall, the goal behind it
    on_way = reaching(planner, room, picture(160, 60), clock)
    for _ in range(10):
        room._at = np.array([(104.0, 150.0)], np.float32)
        assert not on_way.step().reached


class Other(two_room.SimulatedRoom):
    """A depth camera comes first; the colours are as ``made`` makes them."""

    made: Any = None

    def get_observation(self) -> Mapping[str, Any]:
        seen = super().get_observation()
        depth = np.ones((two_room.SIZE, two_room.SIZE, 1), np.uint16)
        return {"depth": depth, **seen, "camera": self.made(seen["camera"])}


def test_depth_is_no_picture_and_colours_are_bytes(planner: VisualPlanner) -> None:
    room, clock = Other(0), Clock()
    room.made = lambda colours: colours
    assert reaching(planner, room, picture(60, 60), clock).plan().action
    room.made = lambda colours: colours / np.float32(255)
    with pytest.raises(JepaError, match="no camera that gives colour pictures"):
        reaching(planner, room, picture(60, 60), clock).plan()


def test_only_planning_moves_nothing(planner: VisualPlanner) -> None:
    room, clock = two_room.SimulatedRoom(0), Clock()
    before = room._at.copy()
    move = reaching(planner, room, picture(160, 60), clock).plan()
    np.testing.assert_array_equal(room._at, before)
    assert set(move.action) == {"x", "y"}
    assert move.expected_left <= move.left


def test_a_robot_without_a_camera_or_with_other_joints_is_refused(planner: VisualPlanner) -> None:
    class Blind(two_room.SimulatedRoom):
        def get_observation(self) -> Mapping[str, Any]:
            return {key: value for key, value in super().get_observation().items() if key != "camera"}

    with pytest.raises(JepaError, match="has no camera"):
        reaching(planner, Blind(0), picture(160, 60), Clock()).plan()
    other = Envelope({"elbow": Limit(0, 1, 1)}, 10, {}, 1)
    with pytest.raises(JepaError, match="moves 2 numbers, and this robot has 1"):
        Reaching(planner, SafeRobot(two_room.SimulatedRoom(0), other), other, picture(160, 60))


def test_a_goal_that_shows_less_to_each_side_is_refused_and_one_of_another_size_is_not(
    planner: VisualPlanner,
) -> None:
    goal = picture(160, 60)
    for wide in (goal[:, 40:-40], np.pad(goal, ((0, 0), (56, 56), (0, 0)))):
        with pytest.raises(
            JepaError, match=r"The goal is \d+ x 224 pixels and the camera's picture 224 x 224"
        ):
            reaching(planner, two_room.SimulatedRoom(0), wide, Clock()).plan()
    small = goal[::2, ::2]
    one, other = (
        reaching(planner, two_room.SimulatedRoom(0), each, Clock()).plan() for each in (goal, small)
    )
    assert abs(one.left - other.left) < 1
    with pytest.raises(JepaError, match="has no colours"):
        reaching(planner, two_room.SimulatedRoom(0), goal[:0], Clock())


def test_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    goal = tmp_path / "goal.png"
    with av.open(str(goal), "w", format="image2") as container:
        stream = container.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = 224, 224, "rgb24"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(160, 60), format="rgb24")))
        container.mux(stream.encode())
    words = ["vision", "reach", str(goal), "--pack", str(PACK)]
    assert main([*words, "--dry-run", "--json"]) == 0
    move = json.loads(capsys.readouterr().out)
    assert move["left"] > 0
    assert move["unit"] == "steps"
    assert main([*words, "--steps", "1"]) in (0, 1)
    assert "steps left" in capsys.readouterr().out
    assert main([*words, "--robot", "nobody"]) == 1
    assert "There is no robot" in capsys.readouterr().err
