# SPDX-License-Identifier: Apache-2.0
"""What the full screen shows, without a terminal."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.errors import JepaError
from jepa.service.api import FrameOut, Part, Status
from jepa.shell.processes import Use
from jepa.shell.tui.draw import Column, Glyphs, peak
from jepa.shell.tui.model import consumers, happenings, plan_card, replay, tasks
from jepa.shell.tui.model.answer_text import answer_lines
from jepa.shell.tui.model.arrangement import AROUND, arrange
from jepa.shell.tui.model.header import Health, header
from jepa.shell.tui.model.line import Span as Piece
from jepa.shell.tui.model.line import apart, columns, cut, length, line, marked, plain, text_of
from jepa.shell.tui.model.movement import ALWAYS, choose, movement
from jepa.shell.tui.screens.search import matching
from jepa.shell.tui.series import Board
from jepa.shell.tui.widgets.strip import scale
from tests.unit.shell import tui_scenes as scenes

# Lines


def test_escapes_and_bidirectional_marks_are_shown() -> None:
    assert plain(line("a\x1b[2Jb", Piece("\u202egnp.exe"))) == "a\\x1b[2Jb\\u202egnp.exe"


@given(st.text(max_size=40), st.text(max_size=40), st.integers(0, 60))
def test_a_line_is_never_longer_than_it_may_be(left: str, right: str, width: int) -> None:
    assert length(cut(line(left, right), width)) <= width
    assert length(apart(line(left), line(right), width)) <= width


def test_columns_are_aligned_whatever_is_in_them() -> None:
    rows = columns([["name", "cpu"], ["a\x1bb", "1"], ["far too long", "12345"]], (6, 4), right=(1,))
    assert [plain(row) for row in rows] == ["name     cpu", "a\\x1bb     1", "far t…  123…"]


def test_the_words_that_were_understood_are_marked() -> None:
    assert [(p.text, p.role) for p in marked("limit gcc now", [(0, 5), (6, 9)])] == [
        ("limit", "word"),
        (" ", "strong"),
        ("gcc", "word"),
        (" now", "strong"),
    ]


def test_an_answer_keeps_its_colours_and_no_other_escape() -> None:
    [row] = answer_lines("\x1b[31mno\x1b[0m, \x1b[2J")
    assert [(p.text, p.role) for p in row] == [("no", "bad"), (", \\x1b[2J", "text")]


# The header


def status(**fields: Any) -> Status:
    return Status(**{**_STATUS, **fields})


_STATUS: dict[str, Any] = {
    "version": "1",
    "host": "box",
    "mode": "daemon",
    "state": "ok",
    "uptime_s": 1.0,
    "pack": "machine 1",
    "frames": 1,
    "missed": 0,
    "context_frames": 128,
    "context_limit": 128,
    "last_frame_ns": 1,
    "surprise": 0.31,
    "parts": [],
    "sources": [],
    "budget": None,
}


def test_the_header_names_what_is_degraded_the_failed_first() -> None:
    parts = [
        Part(name="bpf", state="degraded"),
        Part(name="model", state="failed"),
        Part(name="x", state="ok"),
    ]
    said = plain(header(Health(status(state="failed", parts=parts), "ask"), 120, " | "))
    assert said.startswith("box | autonomy ask | model machine 1 | failed model, bpf")
    assert said.endswith("surprise 0.31")


def test_a_narrow_header_keeps_the_host() -> None:
    assert plain(header(Health(status(), "ask"), 12, " | ")) == "box"


def test_a_lost_service_says_when_the_next_try_is() -> None:
    lost = Health(status(), lost=JepaError("It is gone.", ""), retry_s=4.0)
    assert plain(header(lost, 80, " | ")) == "jepa | no answer, next try in 4 s | It is gone."


# The choice of channels

KNOWN = [*ALWAYS, "system.disk.io.write", "system.disk.io.read", "system.network.io.receive", "hw.power"]


def test_cpu_and_memory_stand_first_then_what_moves_in_a_fixed_order() -> None:
    seen = dict.fromkeys(KNOWN, 0.0) | {"hw.power": 50.0, "system.disk.io.read": 900.0}
    assert choose(KNOWN, seen, 4) == [*ALWAYS, "system.disk.io.read", "hw.power"]


def test_what_is_not_observed_is_not_shown() -> None:
    seen = dict.fromkeys([*ALWAYS, "system.disk.io.write"], 3.0)
    assert choose(KNOWN, seen, 5) == [*ALWAYS, "system.disk.io.write"]


def test_a_channel_stays_until_another_moves_twice_as_much() -> None:
    shown = ["system.disk.io.write"]
    seen = dict.fromkeys(ALWAYS, 0.0) | {"system.disk.io.write": 40.0, "system.network.io.receive": 60.0}
    assert choose(KNOWN, seen, 3, shown) == [*ALWAYS, "system.disk.io.write"]
    seen["system.network.io.receive"] = 200.0
    assert choose(KNOWN, seen, 3, shown) == [*ALWAYS, "system.network.io.receive"]


def test_movement_is_in_noise_floors_and_passes_over_a_single_outlier() -> None:
    still = [5.0] * 60
    assert movement(still, 1.0) == 0.0
    assert movement([*still, 900.0], 1.0) == 0.0
    assert movement([0.0, 10.0] * 30, 2.0) == 5.0
    assert movement([math.nan], 1.0) == 0.0


def test_a_schema_with_other_channels_shows_those() -> None:
    assert choose(["robot.arm", "robot.leg"], {}, 5) == ["robot.arm", "robot.leg"]


# The scale


def test_the_wide_band_of_an_idle_channel_does_not_make_the_scale() -> None:
    from jepa.shell.formatting import Interval

    idle = [Column((12.0,), Interval(0.0, 10.0, 8e6))]
    assert peak(idle, 128.0) == 128.0
    busy = [Column((900.0,), Interval(500.0, 1000.0, 2000.0))]
    assert peak(busy, 128.0) == 2000.0


def test_the_scale_has_its_unit_at_the_top() -> None:
    assert scale(0.0, 4096.0, "KiB/s", 3) == ["4.0 MiB", "", "0"]
    assert scale(0.0, 100.0, "%", 1) == ["100 %"]


# The division of the screen


@given(st.integers(1, 300), st.integers(1, 120), st.integers(0, 12))
def test_the_parts_of_the_screen_never_take_more_than_there_is(
    width: int, height: int, standing: int
) -> None:
    found = arrange(width, height, standing)
    body = max(height - AROUND, 0)
    taken = found.tasks + (found.strip_rows if found.strips else 0)
    assert taken <= max(body, 0)
    if not found.wide:
        assert body - taken >= min(body, 2)


def test_a_large_screen_has_everything() -> None:
    found = arrange(120, 40, 2)
    assert found.wide and found.strips == 6 and found.runs and found.tasks == 2 and found.heat


# What runs


def test_what_matters_comes_first_and_idle_rows_stand_still() -> None:
    first = consumers.ordered(scenes.USES, "what matters", 4096.0)
    assert [use.name for use in first[:2]] == ["python backup.py", "cc1plus"]
    assert [use.pid for use in consumers.ordered(scenes.USES, "cpu", 4096.0)][:3] == [4120, 3310, 801]
    idle = [Use("b", "", 2, 1, 0.0, 0.0, 0.0, 0.0), Use("a", "", 9, 1, 0.01, 0.0, 0.0, 0.0)]
    assert [use.name for use in consumers.ordered(idle, "what matters", 4096.0)] == ["a", "b"]


@pytest.mark.parametrize("width", [20, 30, 44, 78, 120])
def test_the_table_has_heads_and_fits(width: int) -> None:
    made = consumers.panel(scenes.USES, width, 5, 4096.0, "…")
    assert len(made) == 5 and plain(made[0]).startswith("NAME") and "CPU %" in plain(made[0])
    assert all(length(row) <= width for row in made)


# What stands


def test_a_task_has_its_time_left_and_predicted_beside_observed() -> None:
    now = scenes.START_NS + 200 * 10**9
    made = tasks.panel(
        [scenes.task(now + 720 * 10**9)],
        [scenes.change(task="t1f0c9a3b")],
        {"system.cpu.utilization": "%"},
        now,
        60,
        12,
    )
    said = text_of(made)
    assert "limit cpu of backup to 20 %" in said and "12 min left" in said
    assert "cpu: came 27 %, predicted 28 % (20 %..36 %)" in said
    assert "saves 0.310 .. 0.470" in said


def test_what_came_outside_what_was_predicted_is_marked() -> None:
    made = tasks.panel([], [scenes.change(came=60.0)], {"system.cpu.utilization": "%"}, 0, 60, 12)
    assert [part.role for row in made for part in row if part.text == "60 %"] == ["warn"]


def test_what_is_taken_back_is_what_was_done_last() -> None:
    task, change = scenes.task(None), scenes.change()
    assert tasks.newest([task], []) == "tasks end t1f0c9a3b"
    assert tasks.newest([task], [change]) == "undo c7"
    assert tasks.newest([], [scenes.change(state="undone")]) == ""


# The plan


def test_the_card_says_tier_and_way_back() -> None:
    made = text_of(plan_card.steps(scenes.plan(tier="irreversible"), 100, True))
    assert (
        "1. cpu.max" in made and "tune" in made and "irreversible" in made and "CANNOT be taken back" in made
    )


@pytest.mark.parametrize(("tier", "twice"), [("tune", False), ("disrupt", True), ("irreversible", True)])
def test_steps_that_interrupt_want_a_second_key(tier: str, twice: bool) -> None:
    assert plan_card.needs_second_key(scenes.plan(tier=tier)) is twice


@pytest.mark.parametrize(
    ("made", "left_s", "apply"),
    [
        (scenes.plan(), 30.0, True),
        (scenes.plan(), -1.0, False),
        (scenes.plan(decision="deny"), 30.0, False),
        (scenes.plan(decision="allow", steps=0), 30.0, False),
    ],
)
def test_only_what_may_be_applied_has_the_key(made: dict[str, Any], left_s: float, apply: bool) -> None:
    keys = plain(plan_card.keys(made, left_s, "open", True))
    assert ("[a]apply" in keys) is apply
    assert "[c]cancel" in keys


def test_the_channel_that_changes_most_is_drawn_first_on_one_scale() -> None:
    made = scenes.plan()
    past = [FrameOut(ts_ns=k, values={"system.cpu.utilization": 60.0}) for k in range(30)]
    [cpu, disk] = plan_card.plots(made, past, 80, Glyphs.ASCII)
    assert cpu.titles[0].startswith("cpu") and cpu.top == "100 %"
    assert len(cpu.without[0]) == len(cpu.with_[0])
    assert any(cell.char == "-" for row in cpu.with_[2:] for cell in row)
    assert disk.titles[0].startswith("disk write")


@pytest.mark.parametrize(
    ("width", "titles"),
    [
        (120, ("disk write, next 60 s: doing nothing", "with the plan")),
        (70, ("disk write: doing nothing", "with the plan")),
        (46, ("disk write", "with the plan")),
    ],
)
def test_titles_of_courses_leave_out_words_and_cut_none(width: int, titles: tuple[str, str]) -> None:
    past = [FrameOut(ts_ns=k, values={"system.cpu.utilization": 60.0}) for k in range(30)]
    [_, disk] = plan_card.plots(scenes.plan(), past, width, Glyphs.ASCII)
    assert disk.titles == titles
    assert max(map(len, titles)) <= len(disk.without[0])


def test_dry_run_asks_the_guard_about_one_step() -> None:
    first, second = scenes.plan()["steps"]
    assert plan_card.dry_run(first) == "act cpu.max backup.service 20 --dry-run"
    assert plan_card.dry_run(second) == "act unit.restart web.service --dry-run"


# Events


def test_events_in_one_block_keep_the_newest() -> None:
    many = [scenes.event(n, "unit_failed", "error", f"u{n}.service", "", n) for n in range(20)]
    made = happenings.together((), many)
    assert len(made) == happenings.TOGETHER and "u19.service" in plain(made[-1])


# Replay


def board() -> Board:
    made = Board({"x": 1.0})
    made.fill([FrameOut(ts_ns=(1000 + k) * 10**9, values={"x": float(k)}) for k in range(100)])
    return made


def test_a_replay_stays_within_what_is_kept() -> None:
    position = replay.whole(board(), ["x"])
    assert position == replay.Position(1000, 1099, 1099)
    assert position.moved(5).at == 1099 and position.moved(-500).at == 1000 and position.put(0.5).at == 1050
    assert replay.whole(Board({"x": 1.0}), ["x"]) is None


def test_the_bar_shows_where_it_stands_and_where_something_happened() -> None:
    position = replay.Position(0, 100, 50)
    assert plain(replay.scrubber(position, [0, 100, 400], 11, False)) == "'----O----'"


def test_history_is_searched_by_words_in_any_order() -> None:
    history = ["limit gcc", "status", "explain gcc", "limit gcc"]
    assert matching(history, "gcc") == ["limit gcc", "explain gcc"]
    assert matching(history, "gcc lim") == ["limit gcc"]
    assert matching(history, "nothing") == []
