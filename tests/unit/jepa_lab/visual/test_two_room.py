# SPDX-License-Identifier: Apache-2.0
"""TwoRoom keeps the dot in its rooms, lets it through the door alone, and draws it where it is."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from jepa.robots import two_room
from jepa.vision.clip import Framer
from jepa_lab.visual import walks
from jepa_lab.visual.model import VisualConfig
from jepa_lab.visual.train import clip_of

WALL_LEFT, WALL_RIGHT = 100.0, 124.0


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 1 << 32), noise=st.floats(0, 3))
def test_the_dot_stays_inside_and_crosses_at_the_door_alone(seed: int, noise: float) -> None:
    made = walks.walk(np.random.default_rng(seed), 20, 60, noise)
    assert np.isfinite(made.at).all()
    assert (made.at >= 21).all() and (made.at <= 203).all()
    assert (np.abs(made.action) <= 1).all()
    before, after = made.at[:, :-1], made.at[:, 1:]
    # Who leaves the door's height inside the wall is put back before it, as in the library.
    assert np.linalg.norm(after - before, axis=-1).max() < two_room.SPEED + 13
    crossed = (before[..., 0] < 112) != (after[..., 0] < 112)
    assert (np.abs(after[crossed][:, 1] - 49) <= 16).all()


def test_experts_arrive_from_either_room() -> None:
    rng = np.random.default_rng(0)
    at, goal = two_room.places(rng, 200), two_room.places(rng, 200)
    there = np.zeros(200, np.bool_)
    for _ in range(110):
        at = np.where(there[:, None], at, two_room.step(at, walks.expert(at, goal)))
        there |= two_room.reached(at, goal)
    assert there.all()


def test_a_wall_stops_the_dot_and_the_door_does_not() -> None:
    at = np.array([[99.0, 150.0], [125.0, 150.0], [99.0, 49.0]], np.float32)
    to = two_room.step(at, np.array([[1, 0], [-1, 0], [1, 0]], np.float32))
    np.testing.assert_allclose(to, [[99.5, 150], [124.5, 150], [104, 49]])


def test_the_dot_is_drawn_where_it_is() -> None:
    picture = two_room.draw(np.array([[60.0, 150.0]], np.float32))[0]
    assert picture.shape == (224, 224, 3)
    assert tuple(picture[150, 60]) == (255, 0, 0)
    assert tuple(picture[150, 150]) == (255, 255, 255)
    assert tuple(picture[150, 112]) == (0, 0, 0)
    assert tuple(picture[49, 112]) == (255, 255, 255), "the door"


def test_painting_is_drawing_and_framing() -> None:
    clip = clip_of(VisualConfig())
    at = two_room.places(np.random.default_rng(0), 20)
    framed = np.stack([Framer(clip)(picture) for picture in two_room.draw(at)])
    painted = walks.Painter(clip)(at)
    assert np.abs(painted - framed).max() < 2.1 / 255, "one step of a byte at most"
    assert (painted == framed).mean() > 0.999
