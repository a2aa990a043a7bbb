# SPDX-License-Identifier: Apache-2.0
"""A measurement goes on from snapshots of the same machine, and never from those of another."""

from pathlib import Path

import pytest

from tests.bench import control
from tests.bench.control import READY, Snapshots


def test_snapshots_are_those_of_the_same_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "DIRECTORY", tmp_path)
    monkeypatch.setattr(control, "digest", lambda *, sources: f"of {sources}")
    first = Snapshots(sources=True)
    assert first.held == []
    first.add(READY)
    first.add("pair-1")
    assert Snapshots(sources=True).held == [READY, "pair-1"]
    other = Snapshots(sources=False)
    assert other.held == [], "its disk is another"
    other.add(READY)
    assert Snapshots(sources=True).held == []
    again = Snapshots(sources=False)
    again.add("pair-1")
    again.add(READY)
    assert again.held == [READY], "a machine that boots anew has no other"
