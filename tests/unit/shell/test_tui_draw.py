# SPDX-License-Identifier: Apache-2.0
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.shell.formatting import Interval
from jepa.shell.tui.draw import Cell, CellSpan, Column, Glyphs, columns, draw, level, nice_top, peak, span
from jepa.shell.tui.series import Track

BAND = Interval(20.0, 30.0, 40.0)
FLOATS = st.floats(allow_nan=True, allow_infinity=True)


def picture(
    drawn: list[Column], rows: int = 4, glyphs: Glyphs = Glyphs.ASCII, top: float = 100.0
) -> list[str]:
    return ["".join(cell.char for cell in row) for row in draw(drawn, rows, 0.0, top, glyphs)]


def test_an_observed_value_stands_in_the_row_of_its_size() -> None:
    drawn = [Column(values=(v,), inside=True) for v in (0.0, 30.0, 60.0, 99.0)]
    assert picture(drawn) == ["   *", "  * ", " *  ", "*   "]


def test_a_value_that_left_its_band_is_marked_by_character_too() -> None:
    assert picture([Column(values=(80.0,), band=BAND, inside=False)], rows=2) == ["!", ":"]


def test_the_median_runs_in_the_band_ahead() -> None:
    assert picture([Column(band=Interval(10, 60, 90), ahead=True)]) == [":", "-", ":", ":"]


def test_nothing_is_drawn_for_absent_values() -> None:
    for glyphs in Glyphs:
        assert (
            picture([Column(values=(math.nan, math.nan)), Column(), Column(ahead=True)], glyphs=glyphs)
            == ["   "] * 4
        )


def test_all_values_equal_give_a_flat_line() -> None:
    drawn = [Column(values=(0.0, 0.0), inside=True)] * 5
    assert picture(drawn, glyphs=Glyphs.BRAILLE) == ["     "] * 3 + ["⣀⣀⣀⣀⣀"]


def test_two_values_in_a_column_have_a_dot_each() -> None:
    assert picture([Column(values=(0.0, 99.0), inside=True)], rows=1, glyphs=Glyphs.BRAILLE) == ["⡈"]


def test_values_beyond_the_scale_stay_at_its_edge() -> None:
    drawn = [Column(values=(1e12,)), Column(values=(-5.0,)), Column(values=(math.inf,))]
    assert picture(drawn, rows=2) == ["* *", " * "]


def test_the_band_keeps_half_rows_on_a_console_font() -> None:
    upper = Interval(30.0, 30.0, 49.0)
    assert picture([Column(band=upper)], rows=2, glyphs=Glyphs.BLOCK) == [" ", "▀"]


def test_a_value_on_its_band_keeps_the_band_behind_it() -> None:
    (row,) = draw([Column(values=(30.0,), band=BAND, inside=True)], 1, 0.0, 100.0, Glyphs.BRAILLE)
    assert row == [Cell("⠤", "inside", True)]


@pytest.mark.parametrize("glyphs", [Glyphs.BLOCK, Glyphs.ASCII])
@given(values=st.lists(FLOATS, max_size=6), low=FLOATS, high=FLOATS, rows=st.integers(0, 5))
def test_any_numbers_give_a_full_rectangle_the_font_can_show(
    glyphs: Glyphs, values: list[float], low: float, high: float, rows: int
) -> None:
    drawn = [Column(values=(v,), band=Interval(low, v, high), ahead=v > 3) for v in values]
    grid = draw(drawn, rows, 0.0, 10.0, glyphs)
    assert [len(row) for row in grid] == [len(values)] * rows
    allowed = "ascii" if glyphs is Glyphs.ASCII else "cp437"
    "".join(cell.char for row in grid for cell in row).encode(allowed)


@given(value=FLOATS, steps=st.integers(1, 80))
def test_levels_stay_on_the_grid(value: float, steps: int) -> None:
    found = level(value, 0.0, 7.0, steps)
    assert (found is None) == math.isnan(value)
    assert found is None or 0 <= found < steps


@pytest.mark.parametrize(
    ("shown", "previous", "top"),
    [
        (43.0, 0.0, 50.0),
        (0.0, 0.0, 4.0),
        (99.0, 0.0, 100.0),
        (30.0, 50.0, 50.0),
        (10.0, 50.0, 15.0),
        (math.nan, 50, 50),
    ],
)
def test_the_scale_is_round_steady_and_within_bounds(shown: float, previous: float, top: float) -> None:
    assert nice_top(shown, previous, 4.0, 100.0) == top


def test_the_scale_is_round_in_the_unit_shown() -> None:
    assert nice_top(1200.0, 0.0, 4.0, 1e7, unit=1024.0) == 1536.0


@given(width=st.integers(0, 300))
def test_the_columns_of_a_strip_fill_its_width_and_show_a_minute_ahead(width: int) -> None:
    grid = span(width)
    assert grid.ahead * grid.cell_s == 60
    if width >= 20:
        assert grid.past + 1 + grid.ahead == width


def test_a_track_becomes_past_now_and_ahead() -> None:
    track = Track()
    for second in range(20):
        track.observe(second, 10.0)
    drawn = columns(track, 19, 5, CellSpan(cell_s=4, past=3, ahead=15))
    assert [column.values for column in drawn[:3]] == [(10.0, 10.0)] * 3
    assert drawn[3] == Column()
    assert drawn[4:] == [Column(ahead=True)] * 15
    assert peak(drawn) == 10.0
    assert math.isnan(peak([Column()]))
