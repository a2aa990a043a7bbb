# SPDX-License-Identifier: Apache-2.0
"""The summary is read as it was written, never half of it, and nonsense is as good as nothing."""

from dataclasses import replace
from pathlib import Path

import pytest

from jepa.actions import summary
from jepa.actions.catalogue import Tier
from jepa.actions.change import Change, State
from jepa.actions.client import Availability
from jepa.actions.summary import Summary

CHANGE = Change(
    id="0123456789ab",
    ts_ns=1_780_000_000_000_000_000,
    boot_id="b",
    uid=0,
    action="vm.swappiness",
    target="",
    setting="vm.swappiness",
    identity="",
    old=60,
    new=10,
    tier=Tier.TUNE,
    state=State.COMMITTED,
    until_s=100.5,
    why="a call",
    predicted={"system.cpu.utilization": (1.0, 2.0, 3.0)},
    observed={"system.cpu.utilization": 2.5},
)
SUMMARY = Summary(
    "b",
    [CHANGE, replace(CHANGE, id="1" * 12, state=State.FAILED, old=None, new="max")],
    {"vm.swappiness": {"committed": 1}},
    [Availability("vm.swappiness", None, "TuneD")],
    policy_fault="line 3",
    grants=2,
)


def test_it_is_read_as_it_was_written_by_everybody(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    summary.write(path, Summary("a"))
    summary.write(path, SUMMARY)
    assert summary.read(path) == SUMMARY
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", [None, "", "{", "[]", "null", '{"boot_id": "b"}', '{"changes": [1]}'])
def test_what_is_no_summary_is_none(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "summary.json"
    if content is not None:
        path.write_text(content)
    assert summary.read(path) is None
