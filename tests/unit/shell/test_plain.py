# SPDX-License-Identifier: Apache-2.0
"""Plain lines on a real pseudo-terminal: what comes over the line is what a serial console would show."""

import io
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jepa.shell.complete import Vocabulary
from jepa.shell.plain import READY, PlainShell
from jepa.shell.prompt_line import run_line, verbs
from tests.unit.shell.ptys import Line, started

SHELL = f"""
import runpy, sys
from jepa.shell.prompt_line import run_line, verbs
from jepa.shell.complete import Vocabulary
from jepa.shell.plain import PlainShell
client = runpy.run_path({str(Path(__file__).with_name("conftest.py"))!r})["RecordedClient"](100, 3)
sys.exit(PlainShell(client, run_line, Vocabulary(verbs()), stdout=STDOUT).run())
"""

SLOW = """
import sys, time

class Slow:
    def write(self, text):
        time.sleep(0.05)
        return sys.stdout.write(text)

    def flush(self):
        sys.stdout.flush()
"""


@pytest.fixture(params=["None"])
def line(request: pytest.FixtureRequest) -> Iterator[Line]:
    """The shell on a terminal; the parameter is the Python expression for what it prints to."""
    program = SLOW + SHELL.replace("STDOUT", request.param)
    with started([sys.executable, "-c", program], TERM="vt220") as found:
        yield found


def test_the_first_screen_says_what_is_there_and_that_it_is_ready(line: Line) -> None:
    text = line.expect(READY)
    assert "on testhost: ok" in text
    assert "world model machine 0.1.0" in text
    assert "quit" in text
    line.expect("jepa> ")


def test_only_plain_characters_come_over_the_line(line: Line) -> None:
    text = line.expect("jepa> ")
    line.type("\r")
    text += line.expect(r"Live: .*\n")
    assert text.isascii() and "\x1b" not in text


def test_enter_gives_one_line_of_live_values_with_their_forecast(line: Line) -> None:
    line.expect("jepa> ")
    line.type("\r")
    assert re.search(
        r"Live: cpu [\d.]+ %, next 15 s [\d.]+ % to [\d.]+ %; memory", line.expect(r"Live: .*\n")
    )


def test_verbs_are_answered_and_unknown_ones_refused(line: Line) -> None:
    line.expect("jepa> ")
    line.type("status\r")
    line.expect("testhost")
    line.expect("jepa> ")
    line.type("statsu\r")
    line.expect("There is no verb 'statsu'. Did you mean status")


def test_watch_shows_every_tick_until_enter(line: Line) -> None:
    line.expect("jepa> ")
    line.type("watch system.memory.utilization\r")
    for _ in range(3):
        line.expect(r"surprise 0\.31")
        line.expect(r"system\.memory\.utilization +[\d.]+ %.*\n")
    line.type("\r")
    line.expect("jepa> ")
    line.type("quit\r")
    assert line.status() == 0


def test_watch_ends_at_ctrl_c_and_the_shell_goes_on(line: Line) -> None:
    line.expect("jepa> ")
    line.type("watch\r")
    line.expect("surprise 0.31")
    line.type("\x03")
    line.expect("Stopped.")
    line.expect("jepa> ")


@pytest.mark.parametrize("line", ["Slow()"], indirect=True)
def test_a_watched_tick_is_whole_before_the_next_prompt_comes(line: Line) -> None:
    line.expect("jepa> ")
    line.type("watch\r")
    line.expect("surprise 0.31")
    line.type("\x03")
    ending = line.expect("jepa> ")
    # The terminal shows the key where it was pressed: within the line, or after it on a busy machine.
    assert ending.replace("^C", "").endswith("\r\n\r\nStopped.\r\njepa> "), "an empty line ends a tick"


def test_watch_with_an_option_is_the_verb_and_ends_by_itself(line: Line) -> None:
    line.expect("jepa> ")
    line.type("watch cpu --count 1\r")
    line.expect("surprise 0.31")
    line.expect("jepa> ")


def test_watching_what_is_no_channel_is_refused(line: Line) -> None:
    line.expect("jepa> ")
    line.type("watch system.nothing\r")
    line.expect("Refused: There is no channel system.nothing.")


def test_ctrl_c_at_the_prompt_drops_the_line_and_the_end_of_input_leaves(line: Line) -> None:
    line.expect("jepa> ")
    line.type("stat")
    line.expect("stat")
    # CPython tells a signal that comes just before readline waits for a key only at the next key.
    time.sleep(0.2)
    line.type("\x03")
    line.expect("jepa> ")
    line.type("\x04")
    assert line.status() == 0


def test_tab_completes(line: Line) -> None:
    line.expect("jepa> ")
    line.type("forec\tsystem.mem\t")
    line.expect("forecast system.memory.utilization ")


def lines(client: Any, typed: str) -> list[str]:
    out = io.StringIO()
    assert PlainShell(client, run_line, Vocabulary(verbs()), stdin=io.StringIO(typed), stdout=out).run() == 0
    return out.getvalue().splitlines()


def test_a_pipe_gets_answers_and_no_prompts(recorded_client: Callable[..., Any]) -> None:
    got = lines(recorded_client(), "live\n")
    assert len(got) == 1 and got[0].startswith("Live: cpu")


def test_a_service_that_is_gone_is_said_and_the_shell_stays(recorded_client: Callable[..., Any]) -> None:
    client = recorded_client()
    client.fail("jepad does not answer.", "Start it.")
    assert lines(client, "live\nhelp\n")[:1] == ["Refused: jepad does not answer. Start it."]
