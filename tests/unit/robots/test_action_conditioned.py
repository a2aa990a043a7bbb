# SPDX-License-Identifier: Apache-2.0
"""With V-JEPA 2-AC a hand is moved where the model imagines the goal, whichever runtime imagines it."""

import itertools
import json
import shutil
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from jepa.errors import JepaError
from jepa.robots.action_conditioned import (
    ActionConditionedPlanner,
    SearchSettings,
    SequenceEnergies,
    moved,
    normed,
    search,
)
from jepa.robots.arm import SimulatedArm
from jepa.robots.loading import load_planner
from jepa.robots.planner import RobotState
from jepa.robots.visual_planner import VisualPlanner
from jepa.shell.cli import main
from jepa.vision.model import VisionModel
from tests.unit.jepa_lab.vjepa2.acting_reference import ActingPredictor

QUICK = SearchSettings(samples=64, iterations=3)
STATE = RobotState(
    np.array([0.4, 0, 0.3, 3.1, 0, 0, 0.2], np.float32),
    np.array([0.075] * 3 + [0.25] * 3 + [0.75], np.float32),
)
"""Of the simulated arm."""


class Shifted:
    """A world in which each move adds itself to what is seen, so that what is best is known."""

    batches = 0

    def __call__(self, tokens: np.ndarray, actions: np.ndarray, states: np.ndarray) -> np.ndarray:
        self.batches += 1
        seen = tokens.reshape(len(actions), actions.shape[1], -1, tokens.shape[-1])
        return (seen + RULER * actions[:, :, None, [0, 1, 2, 6]] @ MIXED).reshape(tokens.shape)


RULER = 8.0
MIXED = np.random.default_rng(5).normal(size=(4, 32)).astype(np.float32)
BASE = normed(np.random.default_rng(6).normal(size=(9, 32)))


def goal_after(*moves: float) -> np.ndarray:
    return normed(BASE + RULER * np.array(moves, np.float32) @ MIXED)


@pytest.mark.parametrize("candidates", [1, 7, 64])
def test_it_finds_the_move_that_leads_to_the_goal(candidates: int) -> None:
    imagined = SequenceEnergies(Shifted(), candidates, 1)
    wanted = (0.03, -0.02, 0.04, 0.5)
    how = SearchSettings(samples=200, iterations=8)
    moves, energies = search(imagined, (BASE, goal_after(*wanted)), STATE, how, np.random.default_rng(0))
    np.testing.assert_allclose(moves[0, [0, 1, 2, 6]], wanted, atol=0.005)
    assert (moves[0, 3:6] == 0).all(), "rotations are not searched"
    assert energies[-1] < 0.02


def test_two_moves_go_further_than_one() -> None:
    ends = BASE, goal_after(0.08, 0, -0.08, 0)
    how = SearchSettings(samples=200, iterations=8)
    one, two = (
        search(SequenceEnergies(Shifted(), 50, horizon), ends, STATE, how, np.random.default_rng(0))
        for horizon in (1, 2)
    )
    assert two[0].shape == (2, 7)
    assert two[1][-1] < 0.5 * one[1][-1]


def test_where_it_is_already_it_stays() -> None:
    moves, energies = search(
        SequenceEnergies(Shifted(), 32, 1), (BASE, BASE), STATE, QUICK, np.random.default_rng(0)
    )
    assert not moves.any()
    assert energies[-1] < 1e-3


def test_no_move_is_larger_than_the_robot_can_make_nor_than_the_authors_let_it() -> None:
    slow = RobotState(STATE.at, np.array([0.01, 0.2, 0.2, 1, 1, 1, 0.3], np.float32))
    moves, _ = search(
        SequenceEnergies(Shifted(), 32, 1),
        (BASE, goal_after(1, 1, -1, 1)),
        slow,
        QUICK,
        np.random.default_rng(0),
    )
    assert (np.abs(moves[0]) <= np.array([0.01, 0.05, 0.05, 0, 0, 0, 0.3]) + 1e-6).all()
    assert np.abs(moves[0]).max() > 0.04


def test_time_that_is_over_ends_it_with_what_there_is() -> None:
    world, ticks = Shifted(), itertools.count()
    how = SearchSettings(samples=64, iterations=50, seconds=30)
    ends = BASE, goal_after(0.05, 0, 0, 0)
    rng = np.random.default_rng(0)
    moves, _ = search(SequenceEnergies(world, 8, 1), ends, STATE, how, rng, clock=lambda: next(ticks))
    assert moves[0, 0] > 0.03
    assert 16 < world.batches < 50, "of the 400 that the iterations would take"


def test_the_gripper_opens_no_further_than_it_can() -> None:
    after = moved(np.array([[0, 0, 0, 0, 0, 0, 0.5]]), np.array([[0.1, 0, 0, 0, 0, 0, 0.75]]))
    np.testing.assert_allclose(after, [[0.1, 0, 0, 0, 0, 0, 1]])


def picture(seed: int) -> np.ndarray:
    return SimulatedArm(seed).get_observation()["camera"]


def test_the_plan_is_that_of_the_reference(acting_pack: Path, acting_reference: ActingPredictor) -> None:
    model = VisionModel.load(acting_pack)
    how = SearchSettings(samples=32, iterations=2)
    planner = ActionConditionedPlanner(model, how)
    ends = planner.see(picture(0)), planner.see(picture(3))
    assert ends[0].shape == (16, 128)
    assert planner.distance(*ends) > 0.01

    def reference(tokens: np.ndarray, actions: np.ndarray, states: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return np.asarray(acting_reference(*map(torch.from_numpy, (tokens, actions, states))).numpy())

    horizon = model.manifest.horizon
    imagined = SequenceEnergies(reference, 16, horizon)
    ours = planner.plan(*ends, STATE, np.random.default_rng(4))
    theirs, energies = search(imagined, ends, STATE, how, np.random.default_rng(4))
    assert ours.moves.shape == (horizon, 7)
    np.testing.assert_allclose(ours.moves, theirs, atol=1e-5)
    np.testing.assert_allclose(ours.distances, energies, atol=1e-5)
    # Of the same sequences the same one is best.
    sequences = np.random.default_rng(9).normal(0, 0.3, (16, horizon, 7)).astype(np.float32)
    both = [
        each.energies(*ends, STATE.at, sequences)[:, -1]
        for each in (imagined, SequenceEnergies(model.follow, 16, horizon))
    ]
    assert both[0].argmin() == both[1].argmin()
    assert np.ptp(both[0]) > 1e-3, "sequences differ"


def test_seeds_say_what_is_imagined(acting_pack: Path) -> None:
    planner = load_planner(acting_pack, QUICK)
    ends = planner.see(picture(0)), planner.see(picture(3))
    one, same, other = (planner.plan(*ends, STATE, np.random.default_rng(seed)).moves for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other) or not one.any()


def test_what_would_not_fit_is_refused_before_anything_is_loaded(acting_pack: Path, tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemAvailable:    3000 kB\n")
    model = VisionModel.load(acting_pack, tmp_path)
    with pytest.raises(JepaError, match="for its encoder and predictor_ac, and 2 MiB are free"):
        ActionConditionedPlanner(model, QUICK)
    assert not model._sessions
    # More sequences at once take more.
    fewer = model.manifest.model_copy(update={"candidates": 1})
    one = VisionModel(acting_pack, fewer)
    assert one._working("predictor_ac") * 16 == model._working("predictor_ac")


def test_other_packs_are_none_for_this(vision_pack: Path, acting_pack: Path, tmp_path: Path) -> None:
    with pytest.raises(JepaError, match="has no predictor of what an arm does"):
        load_planner(vision_pack, QUICK)
    assert isinstance(load_planner(Path("model-packs/vision"), QUICK), VisualPlanner)
    copy = Path(shutil.copytree(acting_pack, tmp_path / "pack"))
    text = (copy / "pack.toml").read_text()
    (copy / "pack.toml").write_text(
        text.replace("frames = 2\n", "frames = 4\n").replace("time = 1\n", "time = 2\n")
    )
    with pytest.raises(JepaError, match="sees 4 frames at once") as caught:
        load_planner(copy, QUICK)
    assert "--frames 2" in caught.value.remedy
    for wrong in ({"samples": 5}, {"iterations": 0}, {"elites": 1}):
        with pytest.raises(JepaError, match="too few"):
            SearchSettings(**wrong)


def test_the_arm_reaches_from_the_command_line(
    acting_pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    goal = tmp_path / "goal.png"
    with av.open(str(goal), "w", format="image2") as container:
        stream = container.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = 224, 224, "rgb24"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(3), format="rgb24")))
        container.mux(stream.encode())
    words = ["vision", "reach", str(goal), "--robot", "simulated-arm", "--pack", str(acting_pack)]
    words += ["--samples", "16", "--iterations", "1"]
    said = []
    for _ in range(2):
        assert main([*words, "--dry-run", "--json", "--seed", "7"]) == 0
        said.append(json.loads(capsys.readouterr().out))
    assert said[0]["unit"] == "energy"
    assert said[0]["expected_left"] > 0
    assert set(said[0]["action"]) == set(SimulatedArm.action_features)
    assert main([*words, "--steps", "2", "--seconds", "5"]) in (0, 1)
    assert "energy left" in capsys.readouterr().out
    assert main([*words[:-4], "--samples", "2"]) == 1
    assert "too few" in capsys.readouterr().err
    words[words.index("simulated-arm")] = "two-room"
    assert main(words) == 1
    assert "moves 7 numbers, and this robot has 2" in capsys.readouterr().err
