# SPDX-License-Identifier: Apache-2.0
"""Peers: they learn what can be learned, never see what comes, and are judged as the model is."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from jepa.evaluation.replay import Forecaster
from jepa.telemetry.recording import Meta, Recording
from jepa.telemetry.schema import load_schema
from jepa.world.windows import coming
from jepa_lab.peers.ets import Ets
from jepa_lab.peers.features import scheduled, table
from jepa_lab.peers.ridge import Ridge
from jepa_lab.peers.trees import Trees

HORIZONS = (1, 5, 15)
SCHEMA = load_schema().select(
    ["system.cpu.utilization", "system.cpu.utilization.user", "system.memory.utilization"]
)
SECOND = 1_000_000_000


def recording(seed: int, frames: int = 200) -> Recording:
    """The second channel does five seconds later what the first does now; the third is still."""
    rng = np.random.default_rng(seed)
    first = np.repeat(rng.uniform(5, 90, frames // 10 + 2), 10)[: frames + 5]
    values = np.stack([first[5:], first[:-5], np.full(frames, 40.0)], axis=1).astype(np.float32)
    return Recording(SCHEMA, np.arange(frames) * SECOND, values, (), (), Meta(1, "", 2, 1024, "", ""))


def fitted(maker: Callable[..., Forecaster]) -> Forecaster:
    return maker([table(recording(seed), HORIZONS) for seed in range(6)], [table(recording(9), HORIZONS)])


FRAMES = {"ridge": 200, "trees": 200, "ets": 140}
"""Ets fits a model for every few frames and channels, the others one."""
PEERS = {"ridge": lambda: fitted(Ridge), "trees": lambda: fitted(Trees), "ets": Ets}


@pytest.mark.parametrize("name", PEERS)
def test_no_peer_sees_what_comes(name: str) -> None:
    peer, now = PEERS[name](), 120
    original = recording(20, FRAMES[name])
    values = original.values.copy()
    values[now + 1 :] = 3
    before, after = (
        peer.points(each, HORIZONS) for each in (original, dataclasses.replace(original, values=values))
    )
    np.testing.assert_allclose(before[: now + 1], after[: now + 1], rtol=1e-5)
    assert before.shape == (FRAMES[name], 3, 3, 2)
    assert np.isfinite(before).all()


@pytest.mark.parametrize("name", ["ridge", "trees"])
def test_a_peer_learns_that_one_channel_follows_another(name: str) -> None:
    peer, held = PEERS[name](), recording(21)
    truth, seen = coming(held.values, HORIZONS)
    ours = peer.points(held, HORIZONS)
    judged = seen[30:, 1, 1]
    error = np.abs(ours[30:, 1, 1, 0] - truth[30:, 1, 1, 0])[judged].mean()
    persistence = np.abs(table(held, HORIZONS).past[30:, 1, 1, 0] * 100 - truth[30:, 1, 1, 0])[judged].mean()
    assert error < 0.6 * persistence


def test_what_only_the_schedule_tells_is_how_many_programs_are_to_be_at_work() -> None:
    """Two programs, one after the other with a rest of 10 s, and an idle stretch that counts for nothing."""
    stretches = [("a", 0, 20), ("idle", 20, 10), ("b", 30, 170)]
    labels = {
        "schedule": [{"program": p, "start_s": start, "seconds": long} for p, start, long in stretches]
    }
    plain = recording(23)
    told = scheduled(
        dataclasses.replace(plain, meta=dataclasses.replace(plain.meta, labels=labels)), HORIZONS
    )
    np.testing.assert_allclose(told[15], [1, 1, 1, 1 / 3])
    np.testing.assert_allclose(told[25], [0, 0, 0, 2 / 3], atol=1e-6)
    assert not scheduled(plain, HORIZONS).any()


def test_smoothing_follows_a_level_that_stays() -> None:
    ours = Ets().points(recording(22, 80), HORIZONS)
    np.testing.assert_allclose(ours[:, 2], 40, rtol=1e-3)
