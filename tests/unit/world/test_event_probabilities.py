# SPDX-License-Identifier: Apache-2.0
"""Which event probabilities are given on a machine, and what they learn from."""

import dataclasses

import numpy as np
import pytest

from jepa.packs.pack import Pack
from jepa.telemetry.frame import Frame
from jepa.world.controls import HostSize
from jepa.world.event_definitions import EVENT_DEFINITIONS
from jepa.world.event_probabilities import EventProbabilities


@pytest.fixture
def said(pack: Pack) -> np.ndarray:
    """(E, H) the same for every event and horizon."""
    return np.full((len(pack.manifest.shape.events), len(pack.manifest.shape.horizons_s)), 0.7, np.float32)


def column(pack: Pack, event: str) -> int:
    return pack.manifest.shape.events.index(event)


def quiet(pack: Pack) -> Frame:
    channels = len(pack.schema.channels)
    return Frame(0, np.zeros(channels, np.float32), np.ones(channels, np.bool_))


def all_seen(pack: Pack) -> np.ndarray:
    return np.zeros(len(pack.schema.channels), np.bool_)


def test_without_adaptation_they_are_the_packs_own(pack: Pack, said: np.ndarray) -> None:
    events = EventProbabilities(pack, HostSize(), adapt=False)
    for _ in range(100):
        given = events.of_frame(said.copy(), events.holding(quiet(pack)), all_seen(pack))
    np.testing.assert_array_equal(given, said)


def test_what_is_predicted_and_never_comes_loses_probability(pack: Pack, said: np.ndarray) -> None:
    events = EventProbabilities(pack, HostSize(), adapt=True)
    for _ in range(200):
        given = events.of_frame(said.copy(), events.holding(quiet(pack)), all_seen(pack))
    assert given[column(pack, "io_stall")].max() < 0.5
    np.testing.assert_allclose(given[column(pack, "unit_failure")], 0.7, rtol=1e-5)  # no channel shows it
    np.testing.assert_allclose(events.imagined(said[None].copy())[0], given, rtol=1e-5)
    events.clear()
    np.testing.assert_allclose(events.imagined(said[None].copy())[0], said, rtol=1e-5)


def test_an_event_whose_channel_was_never_observed_has_none(pack: Pack, said: np.ndarray) -> None:
    events, unseen = EventProbabilities(pack, HostSize(), adapt=False), all_seen(pack)
    channel = next(each.channel for each in EVENT_DEFINITIONS if each.name == "disk_full")
    unseen[pack.schema.index(channel)] = True
    given = events.of_frame(said.copy(), events.holding(quiet(pack)), unseen)
    assert np.isnan(given[column(pack, "disk_full")]).all()
    assert np.isfinite(given[column(pack, "cpu_saturation")]).all()


def test_an_event_the_pack_was_not_trained_for_has_none(pack: Pack, said: np.ndarray) -> None:
    shape = pack.manifest.shape.model_copy(update={"untrained_events": ("oom_kill",)})
    other = dataclasses.replace(pack, manifest=pack.manifest.model_copy(update={"shape": shape}))
    events = EventProbabilities(other, HostSize(), adapt=True)
    assert np.isnan(events.imagined(said[None].copy())[0, column(pack, "oom_kill")]).all()
    given = events.of_frame(said.copy(), events.holding(quiet(pack)), all_seen(pack))
    assert np.isnan(given[column(pack, "oom_kill")]).all()


def test_an_event_holds_while_its_channel_says_so_and_a_reported_one_is_unknown(pack: Pack) -> None:
    events, frame = EventProbabilities(pack, HostSize(), adapt=True), quiet(pack)
    channel = next(each.channel for each in EVENT_DEFINITIONS if each.name == "disk_full")
    frame.values[pack.schema.index(channel)] = 99.0
    holds = events.holding(frame)
    assert holds[column(pack, "disk_full")] == 1
    assert holds[column(pack, "io_stall")] == 0
    assert np.isnan(holds[column(pack, "unit_failure")])
    frame.valid[pack.schema.index(channel)] = False
    assert np.isnan(events.holding(frame)[column(pack, "disk_full")])
