# SPDX-License-Identifier: Apache-2.0
"""What waits to be sent takes no more room than it may, and what was sent is remembered."""

from dataclasses import replace
from pathlib import Path

import pytest

from jepa.errors import JepaError
from jepa.fleet.spool import KEEP_DAYS, Sent, Spool
from tests.unit.fleet.machines import NOON_NS, a_recording, put

DAY_NS = 86_400 * 10**9


def test_the_oldest_go_when_there_is_no_room_and_are_counted(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    folders = [put(spool, a_recording(NOON_NS + n * DAY_NS, seed=n)) for n in range(3)]
    each = sum(file.stat().st_size for file in folders[0].iterdir())
    assert spool.trim(10 * each) == 0
    assert spool.trim(2 * each + each // 2) == 1
    assert (spool.waiting(), spool.lost) == (folders[1:], 1)
    assert spool.trim(0) == 2
    assert Spool(tmp_path).lost == 3


def test_what_is_not_finished_is_neither_sent_nor_dropped(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    recording = a_recording()
    running = put(spool, replace(recording, meta=replace(recording.meta, finished=False)))
    assert (spool.waiting(), spool.interrupted(), spool.trim(0)) == ([], [running], 0)


def test_a_clock_that_was_set_back_gives_no_name_twice(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    assert len({put(spool, a_recording(seed=n)) for n in range(3)}) == 3


def test_only_the_last_days_are_remembered(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    days = [f"{year}-01-{day:02}" for year in (2025, 2026, 2027) for day in range(1, 29)]
    for day in days:
        spool.keep(day, Sent(table={"unit-1": day}))
    assert spool.sent(days[-1]).table == {"unit-1": days[-1]}
    assert spool.sent(days[0]).table == {}
    assert len(list(spool.state.glob("*.json"))) == KEEP_DAYS


@pytest.mark.parametrize("content", ["", "[]", '{"parts": [{}], "table": {}}', '{"parts": []}'])
def test_a_damaged_note_of_what_was_sent_is_named(tmp_path: Path, content: str) -> None:
    spool = Spool(tmp_path)
    (spool.state / "2026-11-29.json").write_text(content)
    with pytest.raises(JepaError, match=r"2026-11-29\.json"):
        spool.sent("2026-11-29")
