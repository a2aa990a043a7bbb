# SPDX-License-Identifier: Apache-2.0
"""Peers of effects: they learn what a setting does, know what came before alone, and answer as the pack."""

import dataclasses
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from jepa.evaluation.courses import HORIZONS, CourseImaginer, CourseQuestion
from jepa.telemetry.recording import Action, Meta, Recording
from jepa.telemetry.schema import load_schema
from jepa.world.controls import CONTROL_NAMES, CONTROLS
from jepa_lab.data import Mirror
from jepa_lab.effect_peers.arx import Arx
from jepa_lab.effect_peers.lessons import LEARNED, Seen, lessons, see
from jepa_lab.effect_peers.linear import LinearOfRules
from jepa_lab.effect_peers.plant import PlantModel
from jepa_lab.effect_peers.rules import KernelRules, NoEffect
from jepa_lab.effect_peers.trees import EffectTrees

SCHEMA = load_schema()
SECOND = 1_000_000_000
FRAMES, PAUSE = 150, CONTROL_NAMES.index("pause.background")
CPU, OTHER = SCHEMA.index("system.role.background.cpu"), SCHEMA.index("system.role.foreground.cpu")
WAITS = SCHEMA.index("system.role.foreground.pressure.cpu")
ALL = SCHEMA.index("system.cpu.utilization")


def session(seed: int) -> Recording:
    """Background work takes 60 % of the CPU while it is not paused, which is every other 30 s."""
    rng = np.random.default_rng(seed)
    values = np.zeros((FRAMES, len(SCHEMA.channels)), np.float32)
    paused = (np.arange(FRAMES) // 30) % 2 == 1
    values[:, CPU] = np.where(paused, 0, 60 + rng.normal(0, 1, FRAMES))
    values[:, OTHER] = 35 + rng.normal(0, 1, FRAMES)
    values[:, ALL] = values[:, CPU] + values[:, OTHER]
    values[:, WAITS] = 50.0
    changes = np.flatnonzero(np.diff(paused.astype(int))) + 1
    actions = tuple(
        Action(int(at) * SECOND - 1, "pause", {"role": "background", "value": int(paused[at])})
        for at in changes
    )
    ts_ns = np.arange(FRAMES, dtype=np.int64) * SECOND
    return Recording(SCHEMA, ts_ns, values, actions, (), Meta(1, "", 1, 2048, "", ""))


@cache
def sessions() -> list[list[Seen]]:
    mirror = Mirror.of(SCHEMA)
    found = [see(session(seed)) for seed in range(4)]
    return [[seen, seen.swapped(mirror)] for seen in found]


@cache
def made(name: str) -> CourseImaginer:
    makers: dict[str, Callable[[], CourseImaginer]] = {
        "rules": lambda: KernelRules(SCHEMA),
        "linear": lambda: LinearOfRules(sessions(), SCHEMA),
        "arx": lambda: Arx(sessions()),
        "trees": lambda: EffectTrees(sessions(), SCHEMA),
        "rssm": lambda: PlantModel(sessions()[:1], "rssm", epochs=1, every=20),
        "ensemble": lambda: PlantModel(sessions()[:1], "ensemble", epochs=1, every=20),
        "no effect": NoEffect,
    }
    return makers[name]()


def pausing(at: int) -> CourseQuestion:
    settings = np.zeros((3, len(CONTROLS)), np.float32)
    settings[1, PAUSE] = 1
    return CourseQuestion(at, settings)


@pytest.mark.parametrize(
    # Sixteen pauses in all are few for trees, whose leaves hold fifty rows.
    ("name", "least"),
    [("rules", 0.45), ("linear", 0.45), ("arx", 0.45), ("trees", 0.2)],
)
def test_whoever_learned_it_imagines_that_a_pause_takes_the_cpu(name: str, least: float) -> None:
    (windows,) = made(name).windows(session(9), [pausing(85)])
    effect = windows[1] - windows[0]
    assert effect.shape == (len(SCHEMA.channels), len(HORIZONS))
    assert (effect[CPU, :2] > -0.7).all()
    assert (effect[CPU, :2] < -least).all(), effect[CPU]
    np.testing.assert_array_equal(windows[2], windows[0], "no change, no effect")


@pytest.mark.parametrize("name", ["rules", "linear", "arx", "trees", "rssm", "ensemble", "no effect"])
def test_nobody_sees_what_comes(name: str) -> None:
    original, now = session(10), 85
    values = original.values.copy()
    values[now + 1 :] = 7
    changed = dataclasses.replace(original, values=values)
    before, after = (made(name).windows(each, [pausing(now)], LEARNED)[0] for each in (original, changed))
    np.testing.assert_allclose(before, after, rtol=1e-5, atol=1e-6)
    assert before.shape == (3, len(SCHEMA.channels), len(LEARNED))
    assert np.isfinite(before).all()


def test_courses_of_a_public_model_differ_by_the_settings_and_not_by_its_dice() -> None:
    (windows,) = made("rssm").windows(session(9), [pausing(85)])
    np.testing.assert_allclose(windows[2], windows[0], atol=1e-6)
    assert np.abs(windows[1] - windows[0]).max() > 1e-6


def test_a_frame_is_learned_from_for_as_long_as_the_settings_are_kept() -> None:
    some = lessons(see(session(1)))

    def known(at: int) -> list[bool]:
        (place,) = np.flatnonzero(some.at == at)
        return np.isfinite(some.target[place, CPU]).tolist()

    assert LEARNED == (1, 5, 15, 30)
    assert (known(29), known(48)) == ([True] * 4, [True, True, False, False])
    assert some.at[some.changed].tolist() == [29, 59, 89, 119]
    np.testing.assert_allclose(some.target[some.at == 29][0, CPU], -0.6, atol=0.03)


def test_in_the_mirror_it_is_the_foreground_that_is_paused() -> None:
    seen, mirrored = sessions()[0]
    np.testing.assert_array_equal(mirrored.frame[:, OTHER], seen.frame[:, CPU])
    other = CONTROL_NAMES.index("pause.foreground")
    np.testing.assert_array_equal(mirrored.control[:, other], seen.control[:, PAUSE])
