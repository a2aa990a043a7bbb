# SPDX-License-Identifier: Apache-2.0
"""What keys do: those of a plan, those that open screens, jump mode, history; what the service is asked."""

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, OptionList

from jepa.errors import JepaError
from jepa.shell.complete import Vocabulary
from jepa.shell.habits.habits import Habits
from jepa.shell.habits.store import HabitStore
from jepa.shell.prompt_line import verbs
from jepa.shell.tui.app import ShellApp
from jepa.shell.tui.screens.events import EventsScreen
from jepa.shell.tui.screens.history import HistoryScreen
from jepa.shell.tui.screens.processes import ProcessScreen
from jepa.shell.tui.screens.replay import ReplayScreen
from jepa.shell.tui.screens.report import ReportScreen
from jepa.shell.tui.screens.table import TableScreen
from jepa.shell.tui.widgets.plan_card import PlanCard
from jepa.shell.tui.widgets.prompt import HINT, Prompt
from jepa.shell.tui.widgets.strip import StripView
from jepa.shell.tui.widgets.transcript import Block
from tests.unit.shell import tui_scenes as scenes
from tests.unit.shell.waits import at_rest, until

pytestmark = pytest.mark.usefixtures("brisk")
PLANS = {
    "interrupt": scenes.plan("aaaaaaaaaaaa", tier="disrupt"),
    "refuse": scenes.plan("bbbbbbbbbbbb", decision="deny"),
}


class Shell:
    """A shell that is driven."""

    def __init__(self, client: Any, habits: Habits | None = None) -> None:
        self.client = client
        self.script = scenes.Scripted(PLANS)
        self.clock = scenes.NOW_S
        self.pilot: Pilot[Any]
        self.app = ShellApp(
            client,
            self.script,
            Vocabulary(verbs()),
            habits=habits,
            processes=scenes.Processes(),
            autonomy=lambda: "ask",
            clock=lambda: self.clock,
        )

    @asynccontextmanager
    async def running(self, size: tuple[int, int] = (120, 40)) -> AsyncIterator["Shell"]:
        async with self.app.run_test(size=size) as self.pilot:
            await self.until(lambda: bool(self.app.channels) and bool(self.app.query(StripView)))
            yield self

    async def until(self, true: Callable[[], bool]) -> None:
        await until(self.pilot, true)

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.until(lambda: not self.app._transcript._turns)

    async def to_the_plan(self) -> None:
        """Tab, which the prompt passes on."""
        await self.pilot.press("tab")
        await self.until(lambda: self.app.focused is self.card)

    async def say(self, line: str) -> None:
        await self.app.submit(line)
        await self.until(lambda: not self.app._transcript._turns)
        await at_rest(self.pilot)

    @property
    def typed(self) -> str:
        return self.app._prompt.value

    @property
    def card(self) -> PlanCard:
        return self.app._transcript.query(PlanCard).last()


@pytest.fixture
def shell(recorded_client: Callable[..., Any]) -> Shell:
    return Shell(recorded_client(118, 2))


async def test_the_keys_of_a_plan(shell: Shell) -> None:
    async with shell.running():
        await shell.say(scenes.SENTENCE)
        assert isinstance(shell.app.focused, Prompt), (
            "a key that is being typed must not decide about a plan"
        )
        await shell.press("a")
        assert shell.typed == "a" and shell.script.asked == [scenes.SENTENCE]
        await shell.press("ctrl+c")
        (card,) = shell.app._transcript.cards
        assert "Tab goes here" in card.text
        await shell.to_the_plan()
        assert "Tab goes here" not in card.text

        await shell.press("d")
        assert shell.script.asked[-2:] == [
            "act cpu.max backup.service 20 --dry-run",
            "act unit.restart web.service --dry-run",
        ]
        await shell.to_the_plan()
        await shell.press("x")
        assert shell.script.asked[-1] == "why?"
        await shell.to_the_plan()
        await shell.press("escape")
        assert isinstance(shell.app.focused, Prompt)
        await shell.to_the_plan()
        await shell.press("a")
        assert shell.script.asked[-1] == "apply 3f9c2a71b04e --yes"
        await shell.press("tab")
        assert shell.app.focused is not shell.card, "what is decided waits for nothing"

        await shell.say("interrupt")
        await shell.to_the_plan()
        await shell.press("a")
        assert "apply aaaaaaaaaaaa --yes" not in shell.script.asked
        await shell.press("a")
        assert "apply aaaaaaaaaaaa --yes" not in shell.script.asked, "only y is the second key"
        await shell.press("a", "y")
        assert shell.script.asked[-1] == "apply aaaaaaaaaaaa --yes"

        asked = len(shell.script.asked)
        await shell.say("refuse")
        await shell.to_the_plan()
        await shell.press("a", "d")
        assert len(shell.script.asked) == asked + 1, "what is refused has no such key"
        await shell.press("e")
        assert shell.typed == "refuse" and not shell.app._transcript.cards


async def test_a_plan_that_expires_while_it_is_shown_is_not_applied(shell: Shell) -> None:
    async with shell.running():
        await shell.say(scenes.SENTENCE)
        await shell.to_the_plan()
        shell.clock += 61
        await shell.press("a")
        assert shell.script.asked == [scenes.SENTENCE]
        assert "has expired" in shell.card.text and "[a]" not in shell.card.text
        await shell.press("c")
        assert not shell.app._transcript.cards


async def test_a_plan_is_decided_with_the_mouse(shell: Shell) -> None:
    async with shell.running():
        await shell.say(scenes.SENTENCE)
        await shell.pilot.click(".card-keys", offset=(1, 0))
        await shell.until(lambda: not shell.app._transcript._turns)
        assert shell.script.asked[-1] == "apply 3f9c2a71b04e --yes"


async def test_a_plan_is_called_applied_only_once_it_is(shell: Shell) -> None:
    ended = threading.Event()
    answers = shell.app._run_line

    def slow(client: Any, line: str, width: int, listener: Any) -> str:
        if line.startswith("apply"):
            ended.wait()
            raise JepaError("The plan is stale.", "Make another.")
        return answers(client, line, width, listener)

    async with shell.running():
        shell.app._run_line = slow
        await shell.say(scenes.SENTENCE)
        await shell.to_the_plan()
        await shell.pilot.press("a")
        await shell.until(lambda: "is being applied" in shell.card.text)
        assert "[a]apply" not in shell.card.text
        ended.set()
        await shell.until(lambda: not shell.app._transcript._turns)
        assert "needs your consent" in shell.card.text and "[a]apply" in shell.card.text, "it was refused"
        shell.app._run_line = answers
        await shell.to_the_plan()
        await shell.press("a")
        assert "  applied" in shell.card.text and "consent" not in shell.card.text


async def test_a_plan_that_is_applied_by_a_typed_line_waits_for_no_key(shell: Shell) -> None:
    async with shell.running():
        await shell.say(scenes.SENTENCE)
        await shell.say("apply 3f9c2a71b04e --yes")
        assert "  applied" in shell.card.text and "[a]apply" not in shell.card.text
        assert not shell.app._transcript.cards


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (130, 40)])
async def test_what_a_plan_asks_is_in_sight_whole_until_it_is_decided(
    shell: Shell, size: tuple[int, int]
) -> None:
    async with shell.running(size):
        assert shell.app._runs.display
        await shell.say(scenes.SENTENCE)
        shown = "\n".join(scenes.text_rows(shell.app.screen))
        assert f"> {scenes.SENTENCE}" in shown and "1. cpu.max" in shown and "[a]apply" in shown
        shell.clock += 61
        await shell.until(lambda: shell.app._runs.display)
        assert "has expired" in shell.card.text


async def test_what_happens_meanwhile_does_not_stand_between_a_line_and_its_answer(shell: Shell) -> None:
    answer = threading.Event()

    def slow(client: Any, line: str, width: int, listener: Any) -> str:
        answer.wait()
        return "the answer"

    async with shell.running():
        shell.app._run_line = slow
        await shell.app.submit("status")
        await shell.app._transcript.happened(scenes.EVENTS[:1])
        await shell.app._transcript.happened(scenes.EVENTS[1:2])
        answer.set()
        await shell.until(lambda: not shell.app._transcript._turns)
        kinds = [block.kind for block in shell.app.query(Block)]
        assert kinds[-3:] == ["note", "you", "result"]
        await shell.app._transcript.happened(scenes.EVENTS[2:])
        assert [block.kind for block in shell.app.query(Block)][-1] == "note"


async def test_screens_put_lines_on_the_prompt_and_never_run_them(shell: Shell) -> None:
    shell.client.happened = scenes.EVENTS[:2]
    shell.client.changes = [scenes.change()]
    async with shell.running():
        await shell.until(lambda: bool(shell.app.uses) and bool(shell.app.changes))
        await shell.press("f5", "c", "x")
        assert shell.typed == "explain 4120"
        await shell.press("f5", "c", "l")
        assert shell.typed == "limit build to 50 % cpu for 1 h"
        await shell.press("f5", "u", "enter")
        assert shell.typed.startswith("explain ") and shell.typed.endswith(".service")
        await shell.press("f6", "x")
        assert shell.typed == "explain web.service"
        await shell.press("f7", "u")
        assert shell.typed == "undo c7"
        await shell.press("f8")
        assert shell.typed == "undo c7"
        shell.app.action_report("Autonomy")
        await shell.pilot.pause()
        await shell.press("3")
        assert shell.typed == "autonomy ask"
        assert not any(line.startswith(("undo", "limit", "explain")) for line in shell.script.asked)


async def test_a_table_has_its_rows_at_once_keeps_the_cursor_on_its_row_and_narrows(shell: Shell) -> None:
    shell.client.happened = scenes.EVENTS[:2]
    shell.client.changes = [scenes.change()]
    async with shell.running():
        await shell.until(lambda: bool(shell.app.uses and shell.app.changes and shell.app.happened))
        for key, many in (("f5", len(scenes.USES)), ("f6", 2), ("f7", 1)):
            await shell.press(key)
            screen = shell.app.screen
            assert isinstance(screen, TableScreen)
            assert len(screen.rows) == screen.table.row_count == many
            await shell.press("escape")
        await shell.press("f5", "c", "down", "down")
        screen = shell.app.screen
        assert isinstance(screen, ProcessScreen)
        on_it = screen.chosen
        assert screen.table.cursor_row == 2
        screen.take([replace(use, cpu=100 - use.cpu) for use in scenes.USES])
        assert screen.chosen == on_it and screen.table.cursor_row > 2
        await shell.press("m")
        assert screen.table.cursor_row == 0, "another order begins at its top"
        await shell.press("slash", *"post", "enter")
        assert len(screen.rows) == 2
        await shell.press("escape")
        assert len(screen.rows) == len(scenes.USES)
        await shell.press("escape")
        assert not isinstance(shell.app.screen, TableScreen)


async def test_jump_mode_goes_where_the_letter_stands(shell: Shell) -> None:
    async with shell.running():
        await shell.say(scenes.SENTENCE)
        await shell.press("ctrl+o", "1")
        assert shell.app.focused is shell.card
        await shell.press("escape", "ctrl+o", "e")
        assert type(shell.app.screen) is EventsScreen
        await shell.press("escape", "ctrl+o", "t")
        assert type(shell.app.screen).__name__ == HistoryScreen.__name__
        await shell.press("escape", "ctrl+o", "z")
        assert isinstance(shell.app.focused, Prompt)


async def test_letters_stay_on_what_they_stand_for(shell: Shell) -> None:
    async with shell.running((130, 40)):
        await shell.say(scenes.SENTENCE)
        await shell.press("ctrl+o")
        app, screen = shell.app, shell.app.screen
        app._talk.styles.width = 40  # as when strips come, or what runs gives way
        app._runs.styles.height = 3
        await at_rest(shell.pilot)
        stands_on = {"p": app._prompt, "s": app._live, "e": app._transcript, "1": shell.card}
        for letter, widget in stands_on.items():
            assert screen.query_one(f"#letter-{letter}").region.offset == widget.region.offset, letter


async def test_the_transcript_is_paged_and_emptied(shell: Shell) -> None:
    async with shell.running((80, 24)):
        for _ in range(6):
            await shell.say("explain")
        transcript = shell.app._transcript
        await shell.until(lambda: transcript.scroll_y > 0)
        below = transcript.scroll_y
        await shell.press("pageup")
        assert transcript.scroll_y < below
        await shell.press("pagedown")
        assert transcript.scroll_y == below
        await shell.press("ctrl+l")
        assert not transcript.children


async def test_an_answer_that_does_not_fit_is_shown_from_its_beginning_until_a_person_scrolls(
    shell: Shell,
) -> None:
    async with shell.running((80, 24)):
        await shell.say("explain")
        transcript = shell.app._transcript
        said, answer = transcript.children[-2:]
        assert answer.region.bottom <= transcript.region.bottom
        for width in (40, 44, 40):  # whenever everything gets its place, be it long after the answer came
            await shell.pilot.resize_terminal(width, 12)
            await at_rest(shell.pilot)
            assert answer.virtual_region.bottom - said.virtual_region.y > transcript.size.height
            assert said.region.y == transcript.region.y
        await shell.press("pagedown")
        there = transcript.scroll_y
        assert there > said.virtual_region.y
        shell.client.happened = scenes.EVENTS[:1]
        shell.client.go(1)
        await shell.until(lambda: answer is not transcript.children[-1])
        await at_rest(shell.pilot)
        assert transcript.scroll_y == there


@pytest.mark.parametrize("size", [(40, 12), (60, 16), (80, 24)])
async def test_the_question_before_a_second_key_is_in_sight(shell: Shell, size: tuple[int, int]) -> None:
    async with shell.running(size):
        await shell.say("interrupt")
        await shell.to_the_plan()
        await at_rest(shell.pilot)
        transcript, keys = shell.app._transcript, shell.card.query_one(".card-keys")
        top = shell.card.region.y
        await shell.press("a")
        await at_rest(shell.pilot)
        assert "y applies them" in shell.card.text
        assert transcript.region.y <= keys.region.y and keys.region.bottom <= transcript.region.bottom
        await shell.press("n")
        await at_rest(shell.pilot)
        assert shell.card.region.y == top, "what one reads is where it was"


async def test_the_palette_opens_what_it_names(shell: Shell) -> None:
    async with shell.running():
        await shell.press("ctrl+p", *"packs")
        await shell.until(lambda: shell.app.screen.query_one("CommandList").option_count == 1)
        await shell.press("enter")
        await shell.until(lambda: isinstance(shell.app.screen, ReportScreen))
        await shell.press("v")
        assert shell.typed == "packs verify"


async def test_earlier_lines_are_found_by_their_words(shell: Shell) -> None:
    async with shell.running():
        await shell.press(*"status", "enter", *"doctor", "enter", "ctrl+r", *"tat")
        assert shell.app.screen.query_one(OptionList).option_count == 1
        await shell.press("enter")
        assert shell.typed == "status"


async def test_no_cursor_blinks_on_any_screen(shell: Shell) -> None:
    async with shell.running():
        app = shell.app
        prompt = app.focused
        assert isinstance(prompt, Prompt) and not prompt.cursor_blink
        for keys in (("ctrl+r",), ("f5", "slash"), ("ctrl+p",)):
            for key in keys:
                await shell.press(key)
                await shell.until(lambda: len(app.screen_stack) > 1 and app.focused is not None)
            focused = app.focused
            assert isinstance(focused, Input) and focused is not prompt
            assert not focused.cursor_blink
            await app.pop_screen()
            await shell.until(lambda: app.focused is prompt)


async def test_the_replay_goes_back_and_plays(shell: Shell) -> None:
    async with shell.running():
        await shell.until(lambda: shell.client.position >= 120)
        await shell.press("f9")
        screen = shell.app.screen
        assert isinstance(screen, ReplayScreen)
        await shell.press("home")
        assert screen.position is not None and screen.position.at == screen.position.first
        await shell.press("right", "up")
        assert screen.position.at == screen.position.first + 31
        at = screen.position.at
        await shell.press("space")
        await shell.until(lambda: screen.position is not None and screen.position.at >= at + 2)
        await shell.press("left", "end")
        assert screen.position.at == screen.position.last


async def test_the_stream_is_asked_for_what_is_drawn(shell: Shell) -> None:
    async with shell.running():
        await shell.until(lambda: bool(shell.client.asked))
        drawn = {view.channel.name for view in shell.app.query(StripView)}
        shell.client.go(5)
        await shell.until(lambda: bool(shell.client.asked[-1]))
        assert set(shell.client.asked[-1]) == drawn
        await shell.say("watch system.memory.utilization")
        shell.client.go(5)
        await shell.until(lambda: shell.client.asked[-1] == ("system.memory.utilization",))


async def test_the_theme_is_changed_while_it_runs(shell: Shell) -> None:
    async with shell.running((80, 24)):
        for theme in ("jepa-light", "ansi-light", "ansi-dark", "jepa-dark"):
            shell.app.theme = theme
            await shell.pilot.pause()
            assert "testhost" in "\n".join(scenes.text_rows(shell.app.screen)), theme


async def test_any_size_is_survived(shell: Shell) -> None:
    async with shell.running():
        await shell.say(scenes.SENTENCE)
        for size in ((20, 5), (1, 1), (300, 8), (30, 90), (80, 24)):
            await shell.pilot.resize_terminal(*size)
            await shell.pilot.pause()
            for key in ("f5", "f9", "ctrl+o"):
                await shell.press(key, "escape")
        assert "testhost" in "\n".join(scenes.text_rows(shell.app.screen))


async def test_the_line_that_is_likely_next_is_offered_and_taken_but_not_run(
    recorded_client: Callable[..., Any], tmp_path: Path
) -> None:
    store = HabitStore(tmp_path / "jepa/habits")
    store.enable()
    for line in ["status", "undo"] * 6:
        store.add(line)
    shell = Shell(recorded_client(118, 2), Habits(store))
    async with shell.running():
        prompt = shell.app._prompt
        await shell.until(lambda: prompt.offered == "status")
        assert prompt.placeholder.startswith("status ")
        await shell.press("right")
        assert shell.typed == "status" and shell.script.asked == []
        await shell.press("enter")
        await shell.until(lambda: prompt.offered == "undo")
        assert [each.line for each in store.lines()][-1] == "status"
        await shell.press("s", "t")
        await shell.until(lambda: prompt._suggestion == "status")
        await shell.press("ctrl+c")
        store.disable()
        await shell.press("q", "enter")
        await shell.until(lambda: prompt.offered is None and prompt.placeholder == HINT)
