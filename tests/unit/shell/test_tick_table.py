# SPDX-License-Identifier: Apache-2.0
"""A tick drawn beside what the one before forecast of it, on a wide and on a narrow screen."""

import io
from collections.abc import Callable
from typing import Any

import pytest

from jepa.errors import JepaError
from jepa.shell.output import Output
from jepa.shell.tick_table import TickTable, names_channels_alone


@pytest.fixture
def draw(recorded_client: Callable[..., Any]) -> Callable[..., str]:
    """``draw(words, width, ticks)``: what is drawn of so many ticks of a recording."""

    def drawn(words: list[str], width: int = 120, ticks: int = 2) -> str:
        client, text = recorded_client(), io.StringIO()
        out = Output(text, json=False, unicode=False, colour=False, width=width)
        table = TickTable(out, client.channels(), words)
        for _ in range(ticks):
            table.draw(client.tick())
        return text.getvalue()

    return drawn


def test_a_value_stands_beside_what_was_forecast_a_tick_ago(draw: Callable[..., str]) -> None:
    first, second, _ = draw(["memory"]).split("\n\n")
    assert first.splitlines()[-1].split()[3] == "-", "nothing was forecast before"
    assert ".." in second.splitlines()[-1].split("%")[1]


def test_without_names_the_first_channels_are_drawn(draw: Callable[..., str]) -> None:
    drawn = draw([], ticks=1)
    assert "system.cpu.utilization" in drawn
    assert "next 60 s" in drawn


def test_a_narrow_screen_gets_short_names_and_no_line_is_folded(draw: Callable[..., str]) -> None:
    drawn = draw([], width=80, ticks=3)
    assert "psi cpu" in drawn and "system.pressure" not in drawn
    assert max(map(len, drawn.splitlines())) <= 80


def test_what_is_no_channel_is_refused_before_anything_is_drawn(draw: Callable[..., str]) -> None:
    with pytest.raises(JepaError, match=r"There is no channel system\.nothing"):
        draw(["system.nothing"])


@pytest.mark.parametrize(
    ("words", "alone"), [([], True), (["cpu", "memory"], True), (["cpu", "--count", "3"], False)]
)
def test_a_watch_with_an_option_answers_once(words: list[str], alone: bool) -> None:
    assert names_channels_alone(words) is alone
