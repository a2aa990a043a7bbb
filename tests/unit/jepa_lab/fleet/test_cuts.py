# SPDX-License-Identifier: Apache-2.0
"""What is shown is drawn from manifests: every machine as often as another, and the same for a seed."""

import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from jepa.errors import JepaError
from jepa.telemetry.recording import Action
from jepa_lab.fleet.cuts import CUT, cut, draw, load, sample, slim
from jepa_lab.fleet.survey import Host
from tests.unit.fleet.machines import NOON_NS, SCHEMA, a_recording
from tests.unit.fleet.test_manifest import a_part
from tests.unit.jepa_lab.fleet.fleets import a_fleet, hosts_of


def host(number: int, *frames: int) -> Host:
    return Host(f"h-{number:016x}", tuple(a_part(frames=each, content=f"{each:064x}") for each in frames))


def test_machines_are_drawn_alike_and_parts_by_their_length() -> None:
    hosts = [host(1, 3600, 3600, 3600, 3600, 60), host(2, 3600)]
    drawn = draw(hosts, 4000, random.Random(1))
    cuts = Counter({each.host: 0 for each in hosts})
    for each in drawn:
        cuts[each.host] += len(each.starts)
        assert all(0 <= start <= max(0, each.part.frames - CUT) for start in each.starts)
    assert sum(cuts.values()) == 4000
    assert abs(cuts[hosts[0].host] - 2000) < 200
    assert sum(each.part.frames == 60 for each in drawn) < 20
    assert drawn == draw(hosts, 4000, random.Random(1))


def test_a_sample_has_none_twice_and_ends_where_there_are_no_more() -> None:
    assert len(sample([host(1, 100), host(2, CUT)], 16, random.Random(1))) == 2
    some = sample([host(1, 3600), host(2, 3600)], 16, random.Random(1))
    assert Counter(each.host for each in some) == {host(1).host: 8, host(2).host: 8}


def test_a_cut_knows_what_was_set_before_it() -> None:
    recording = a_recording(seconds=600)
    actions = tuple(Action(NOON_NS + at * 10**9, "cpu.weight", {}) for at in (50, 590))
    made = cut(
        recording.__class__(
            *(actions if name == "actions" else getattr(recording, name) for name in recording.__slots__)
        ),
        100,
    )
    assert (len(made.ts_ns), made.meta.frames, made.ts_ns[0]) == (CUT, CUT, NOON_NS + 100 * 10**9)
    assert made.actions == actions[:1]
    assert made.events == ()  # that of the first second


def test_they_come_out_of_the_store(tmp_path: Path) -> None:
    recording = a_recording(seconds=500)
    address, owner = a_fleet(tmp_path, {"one": [recording]})
    (found,) = (slim(each) for each in hosts_of(address, owner))
    assert (found.levels, found.names) == ({}, {})
    (one,) = sample([found], 1, random.Random(3))
    (made,) = load(address, one, SCHEMA)
    (start,) = one.starts
    np.testing.assert_array_equal(made.values, recording.values[start : start + CUT])
    next((tmp_path / "store/hosts").glob("*/*/frames.parquet")).write_bytes(b"x")
    with pytest.raises(JepaError, match="cannot be used any more"):
        load(address, one, SCHEMA)
