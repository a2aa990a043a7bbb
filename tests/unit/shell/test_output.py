# SPDX-License-Identifier: Apache-2.0
"""What comes from outside, such as names of units, devices and files, cannot act on the terminal."""

import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.widgets import SelectionList

from jepa.errors import JepaError
from jepa.service.api import ChannelInfo, Doctor, EventOut, Part
from jepa.shell.complete import Vocabulary
from jepa.shell.output import Output
from jepa.shell.plain import PlainShell
from jepa.shell.prompt_line import run_line, verbs
from jepa.shell.tui.app import ShellApp
from jepa.shell.tui.screens.channels import ChannelScreen
from jepa.shell.tui.widgets.line_view import LineView
from jepa.shell.tui.widgets.transcript import Block
from tests.unit.shell.waits import until

FORGED = "a\x1b[2J\n12:00:00  info      device added\x9b31m\x7f\u202etxt"
SAFE = r"a\x1b[2J\x0a12:00:00  info      device added\x9b31m\x7f\u202etxt"
MARKUP = "[bold]x[/bold] [/] [link=https://example.org]y[/link] [@click=app.quit]z[/]"


def output(colour: bool = False) -> Output:
    return Output(io.StringIO(), json=False, unicode=True, colour=colour, width=200)


def written(out: Output) -> str:
    return out.stream.getvalue()  # type: ignore[attr-defined,no-any-return]


def event(text: str) -> EventOut:
    return EventOut(
        sequence=1,
        ts_ns=2_000_000_000_000_000_000,
        kind="oom_kill",
        severity="error",
        source="kernel",
        unit=text,
        detail=text,
    )


@given(st.text(), st.text())
def test_a_line_is_one_line_without_control_characters(before: str, coloured: str) -> None:
    out = output(colour=True)
    out.line(before.replace("\ufdd0", "") + out.coloured(coloured, "red"))
    out.table([[before, coloured]])
    lines = re.sub(r"\x1b\[(?:[0-9]+)m", "", written(out)).split("\n")
    assert len(lines) == 3
    assert not re.search("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", "".join(lines))


def test_colours_are_kept() -> None:
    out = output(colour=True)
    out.line(out.state("failed") + " \x1b[32mok")
    assert written(out) == "\x1b[31mfailed\x1b[0m \\x1b[32mok\n"


def test_columns_stay_aligned_under_an_escaped_name() -> None:
    out = output()
    out.table([["a\x07", "1"], ["b", "2"]])
    assert written(out).splitlines() == [r"  a\x07  1", "  b      2"]


@pytest.mark.parametrize("verb", ["events --since 3600000000", "doctor"])
def test_verbs_show_what_comes_from_outside_escaped(recorded_client: Callable[..., Any], verb: str) -> None:
    client = recorded_client()
    client.happened = [event(FORGED)]
    client.doctor = lambda: Doctor(
        state="failed", checks=[Part(name=FORGED, state="failed", reason=FORGED, remedy=FORGED)]
    )
    said = run_line(client, verb)
    assert SAFE in said
    assert "\x1b" not in said and "\n12:00" not in said


def test_plain_lines_show_an_error_escaped(recorded_client: Callable[..., Any]) -> None:
    client, stdout = recorded_client(), io.StringIO()
    client.fail(FORGED, "")
    PlainShell(client, run_line, Vocabulary(verbs()), stdin=io.StringIO("live\n"), stdout=stdout).run()
    assert stdout.getvalue() == f"Refused: {SAFE}\n"


@pytest.mark.parametrize(("text", "shown"), [(FORGED, SAFE), (MARKUP, MARKUP)])
async def test_the_full_screen_shows_text_as_it_is(
    recorded_client: Callable[..., Any], text: str, shown: str
) -> None:
    client = recorded_client(play=1)
    app = ShellApp(client, run_line, Vocabulary(verbs()))
    async with app.run_test(size=(200, 50)) as pilot:
        client.happened = [event(text)]
        client.go(1)
        await until(pilot, lambda: any(shown in block.text for block in app.query(Block)))
        block = next(block for block in app.query(Block) if shown in block.text)
        assert shown in str(block.render())
        client.down = JepaError(text, text)
        client.script.put(client.down)
        await until(pilot, lambda: "no answer" in app.query_one("#health", LineView).text)
        assert shown[:20] in str(app.query_one("#health", LineView).render())
        assert shown in app.query(Block).last().text
        channel = ChannelInfo(
            name=text, unit="%", low=0.0, high=1.0, noise_floor=1.0, source="x", description=""
        )
        screen = ChannelScreen([channel], set(), [])
        app.push_screen(screen)
        await pilot.pause(0.05)
        assert str(screen.query_one(SelectionList).get_option_at_index(0).prompt).startswith(shown)
