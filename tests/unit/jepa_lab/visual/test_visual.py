# SPDX-License-Identifier: Apache-2.0
"""The visual world model learns, its graphs say what PyTorch says, and planning uses them."""

import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch

from jepa.errors import JepaError
from jepa.packs.pack import verify_pack
from jepa.packs.places import default_pack_dir
from jepa.robots import two_room
from jepa.robots.planner import RobotState
from jepa.robots.visual_planner import VisualPlanner
from jepa_lab.visual import judge, walks
from jepa_lab.visual.keeping import KeptWeights, keep, kept
from jepa_lab.visual.model import VisualConfig, VisualModel
from jepa_lab.visual.pack import build_pack
from jepa_lab.visual.train import Clock, VisualTraining, clip_of, train

ROOM = walks.TwoRoom()
REPORT = {"trained": "2000-01-01", "data": "none", "seed": 0, "parameters": 1}


@pytest.fixture(scope="module")
def model() -> VisualModel:
    """Not trained, but with latents that are not all the same."""
    torch.manual_seed(0)
    made = VisualModel(VisualConfig(steps=4, candidates=16))
    made.encoder.norm.running_mean.normal_(0, 0.1)
    made.encoder.norm.running_var.uniform_(0.001, 0.01)
    return made.eval()


@pytest.fixture(scope="module")
def folder(model: VisualModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("robot")
    build_pack("two-room", model, REPORT, "0.0.9", out)
    return out


def test_it_learns_and_repeats_itself_for_a_seed() -> None:
    short = VisualTraining(walks=40, length=30, steps=12, batch=8, stretch=4)
    one, other = (train(ROOM, VisualConfig(), short) for _ in range(2))
    for mine, same in zip(one.model.parameters(), other.model.parameters(), strict=True):
        assert torch.equal(mine, same)
    assert {"next", "rolled", "apart", "first", "rank"} <= set(one.report["last"])
    assert one.report["training"]["steps"] == 12


def test_by_the_clock_it_ends_in_time_and_says_how_many_steps_it_took() -> None:
    many = VisualTraining(walks=10, length=30, steps=100_000, batch=4, stretch=4, settling=100_000)
    now, shown = time.monotonic(), []
    trained = train(ROOM, VisualConfig(), many, clock=Clock(now + 1, now + 2), watch=shown.append)
    assert time.monotonic() - now < 10
    assert shown and shown[-1].report["training"]["settling"], "whoever wants to keep it meanwhile"
    assert 1 <= trained.report["training"]["steps"] < 1_000
    assert 1 <= trained.report["training"]["settling"] < 1_000


def test_what_was_trained_is_kept_without_what_only_training_needs(
    model: VisualModel, tmp_path: Path
) -> None:
    file = tmp_path / "model.pt"
    keep(file, KeptWeights(model, {"config": asdict(model.config)}))
    again = kept(file)
    assert again.model.config == model.config
    for name in ("encoder", "change", "first", "apart"):
        one, other = (getattr(each, name).state_dict() for each in (model, again.model))
        assert all(torch.equal(one[key], other[key]) for key in one)
    assert not any(key.startswith("inverse") for key in torch.load(file)["state"])
    file.write_bytes(b"no model")
    with pytest.raises(JepaError, match="is no trained model"):
        kept(file)


def test_what_the_graphs_say_is_what_the_model_says(model: VisualModel, folder: Path) -> None:
    planner = VisualPlanner.load(folder)
    pictures = two_room.draw(np.array([[40.0, 60.0], [150.0, 180.0]], np.float32))
    with torch.inference_mode():
        z = model.encoder(
            torch.from_numpy(
                walks.Painter(clip_of(model.config))(np.array([[40.0, 60.0], [150.0, 180.0]], np.float32))
            )
        )
    latents = np.stack([planner.see(picture) for picture in pictures])
    np.testing.assert_allclose(latents, z.numpy(), atol=0.05)
    start, goal = torch.from_numpy(latents[:1]), torch.from_numpy(latents[1:])
    actions = torch.from_numpy(np.random.default_rng(0).uniform(-1, 1, (16, 4, 2)).astype(np.float32))
    told = planner._imagine.run(
        None, {"latent": latents[:1], "goal": latents[1:], "actions": actions.numpy()}
    )[0]
    with torch.inference_mode():
        at = start.expand(16, -1)
        for step in range(4):
            at = model.following(at, actions[:, step])
            wanted = model.distance(at, goal.expand(16, -1)).numpy()
            np.testing.assert_allclose(told[:, step], wanted, atol=1e-4)
    acted, far = planner._propose.run(
        None, {"latent": latents[:1], "goal": latents[1:], "noise": np.zeros((16, 4, 2), np.float32)}
    )
    with torch.inference_mode():
        first = model.propose(start, goal).numpy()
    np.testing.assert_allclose(acted[:, 0], np.tile(first, (16, 1)), atol=1e-4)
    again = planner._imagine.run(None, {"latent": latents[:1], "goal": latents[1:], "actions": acted})[0]
    np.testing.assert_allclose(again, far, atol=1e-4)


def test_more_cem_iterations_never_choose_worse(folder: Path) -> None:
    planner = VisualPlanner.load(folder)
    latent, goal = (
        planner.see(two_room.draw(np.array([at], np.float32))[0]) for at in ([40.0, 60.0], [150.0, 180.0])
    )

    state = RobotState(np.zeros(2, np.float32), np.ones(2, np.float32))

    def energy(iterations: int) -> float:
        sequence = planner.plan(latent, goal, state, np.random.default_rng(3), iterations)
        assert sequence.moves.shape == (4, 2)
        assert np.abs(sequence.moves).max() <= 1
        assert sequence.took_ms > 0
        return float(sequence.distances.mean() + 0.5 * sequence.distances[-1])

    assert energy(1) >= energy(2) >= energy(4)


def test_a_robot_pack_verifies_and_other_packs_are_refused(folder: Path) -> None:
    assert verify_pack(folder).kind == "robot"
    with pytest.raises(JepaError, match="is for machine"):
        VisualPlanner.load(default_pack_dir())
    content = (folder / "imagine.onnx").read_bytes()
    (folder / "imagine.onnx").write_bytes(content[:-1])
    try:
        with pytest.raises(JepaError, match="is not the one its pack was made with"):
            VisualPlanner.load(folder)
    finally:
        (folder / "imagine.onnx").write_bytes(content)


def test_episodes_are_seeded_and_judged_by_the_environments_own_success(folder: Path) -> None:
    episodes = judge.Episodes.seeded(ROOM, 5)
    np.testing.assert_array_equal(episodes.goal, judge.Episodes.seeded(ROOM, 5).goal)
    assert not two_room.reached(episodes.start, episodes.goal).any()
    many = judge.Episodes.seeded(ROOM, 100)
    assert 0 < ROOM.is_hard(many.start, many.goal).mean() < 1
    pictures = two_room.draw(episodes.goal)
    goals = {picture.tobytes(): goal for picture, goal in zip(pictures, episodes.goal, strict=True)}

    def knows(now: np.ndarray, goal: np.ndarray) -> np.ndarray:
        """One who can tell the place from the picture: the dot is reddest there."""
        red = now[..., 0].astype(int) - now[..., 1]
        y, x = np.unravel_index(red.argmax(), red.shape)
        return walks.expert(np.array([[x, y]], np.float32), goals[goal.tobytes()][None])[0]

    assert judge.success(ROOM, knows, episodes).all()
    assert judge.success(ROOM, judge.random_policy(0, 2), judge.Episodes.seeded(ROOM, 2)).mean() < 0.7
    results = judge.judge(ROOM, VisualPlanner.load(folder), {"random": judge.random_policy(1, 2)}, 1)
    assert set(results["baselines"]) == {"random"}
    assert results["plan_ms"]["p50"] <= results["plan_ms"]["p99"]
    assert 0 <= results["success_rate_lower"] <= results["success_rate"] <= 1


@pytest.mark.parametrize(
    ("successes", "count", "wanted"), [(200, 200, 0.981), (194, 200, 0.936), (0, 200, 0.0)]
)
def test_the_lower_end_is_wilsons(successes: int, count: int, wanted: float) -> None:
    assert judge.lower(successes, count) == pytest.approx(wanted, abs=0.001)
