# SPDX-License-Identifier: Apache-2.0
"""States of the full screen look as they did, at three sizes, over what a booted image said.

`pytest --snapshot-update` writes the pictures anew: look at what changed in them before you keep it.
"""

import shlex
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion
from textual.message import Message
from textual.pilot import Pilot

from jepa.shell.complete import Vocabulary
from jepa.shell.habits.habits import Habits
from jepa.shell.habits.store import HabitStore
from jepa.shell.parser import parse
from jepa.shell.prompt_line import actions, verbs
from jepa.shell.tui import feed, main_app
from jepa.shell.tui.app import REPORTS, ShellApp
from jepa.shell.tui.draw import Glyphs
from jepa.shell.tui.screens.report import ReportScreen
from jepa.shell.tui.widgets.line_view import LineView
from jepa.shell.tui.widgets.plan_card import PlanCard
from jepa.shell.tui.widgets.strip import StripView
from jepa.shell.tui.widgets.transcript import Block
from tests.unit.shell import taped
from tests.unit.shell import tui_scenes as scenes
from tests.unit.shell.looks import Screens, picture

SIZES = ((80, 24), (130, 40), (40, 12))
TINY = (20, 5)
WINDOW_S = 5
"""The forecast window that is judged at first."""
GONE = ("jepad is not running (no socket at /run/jepa/api.sock).", "Start it with systemctl start jepad.")
BOUND = 400
"""Looks at the screen until it must stand still."""
STILL = 5
"""Looks that show the same, after which it stands still: a worker of the shell may still be on its way."""


class Shell:
    """The shell over the tape, driven by keys."""

    def __init__(
        self, app: ShellApp, client: taped.TapeClient, pilot: Pilot[Any], surveyed: Callable[[], bool]
    ) -> None:
        """``surveyed`` tells whether all channels have been read once."""
        self.app = app
        self.client = client
        self.pilot = pilot
        self.clock = 0.0
        self._surveyed = surveyed

    async def until(self, true: Callable[[], bool]) -> None:
        for _ in range(BOUND):
            if true():
                return
            await self.pilot.pause(0.01)
        raise AssertionError("it did not come about")

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.answered()

    async def answered(self) -> None:
        await self.until(lambda: not self.app._transcript._turns)

    async def say(self, line: str) -> None:
        """Enter a line as if it had been typed."""
        await self.app.submit(line)
        await self.answered()

    async def all_frames(self) -> None:
        newest = self.client.newest_ns
        # The channels worth a strip are chosen at each survey, and one that has a strip keeps it until
        # another moves twice as much: which have one in the end hangs on how early the first survey comes.
        await self.until(self._surveyed)
        self.client.begin()
        await self.until(lambda: self.app.board.last_ns == newest)
        await self.until(lambda: bool(self.app.uses) and (bool(self.app.query(StripView)) or self.tiny))

    @property
    def tiny(self) -> bool:
        return not self.app._live.display

    async def anew(self) -> None:
        """Back to the main screen as it is once all frames are there."""
        app = self.app
        while len(app.screen_stack) > 1:
            await app.pop_screen()
        if app._health.held:
            app.action_hold()
        app.chosen = None
        app._run_line = taped.TapeRunner()
        app.clear_notifications()
        app._set_window(WINDOW_S)
        app._prompt.history.clear()
        app._prompt.put("")
        app._prompt.focus()
        app._transcript._turns.clear()
        await app._transcript.remove_children()
        app._transcript.anchor()
        await app._arrange()
        self.clock = 0.0

    @property
    def is_laid_out(self) -> bool:
        """Whether every plan is written for the width that it has: under load it may hear of that late."""
        return all(card.fits for card in self.app._main.query(PlanCard))

    async def at_rest(self) -> str:
        """The screen once it stands still."""
        await self.pilot.pause()
        for view in self.app._live.views:
            view.top = 0.0  # a scale that was needed for an earlier picture
        if not self.app._health.held:
            self.app._live.show(self.app.board)
        before, same = "", 0
        for _ in range(BOUND):
            await self.pilot.pause(0.01)
            now = picture(self.app.screen)
            same = same + 1 if now == before and self.is_laid_out else 0
            if same == STILL:
                return now
            before = now
        raise AssertionError("the screen does not stand still")


State = Callable[[Shell], Awaitable[None]]
STATES: dict[str, State] = {}


def state(how: State) -> State:
    """A state and how it comes about, from a shell that has had all frames."""
    STATES[how.__name__] = how
    return how


def keys(*pressed: str) -> State:
    """A state that keys lead to; each finds the screen that the one before has opened."""

    async def press(shell: Shell) -> None:
        for key in pressed:
            await shell.press(key)
            if key.startswith("f") and key != "f":
                await shell.at_rest()

    return press


def said(*lines: str) -> State:
    """What is on the screen after these lines."""

    async def say(shell: Shell) -> None:
        for line in lines:
            await shell.say(line)

    return say


STATES |= {
    "watching": keys(),
    "another_window": keys("f3"),
    "held": keys("f4"),
    "help": keys("f1"),
    "channels": keys("f2"),
    "what_runs": keys("f5"),
    "what_runs_by_unit": keys("f5", "u", "m"),
    "what_runs_narrowed": keys("f5", "slash", *"jepa"),
    "events": keys("f6"),
    "changes": keys("f7"),
    "take_back": keys("f8"),
    "replay_of_now": keys("f9"),
    "replay_of_before": keys("f9", "up", "left"),
    "jump": keys("ctrl+o"),
    "completions": keys(*"act cpu.", "tab"),
    "typed": keys(*"limit bui"),
    "said_status": said("status"),
    "said_doctor": said("doctor"),
    "said_forecast": said("forecast cpu"),
    "said_events": said("events"),
    "said_history": said("history"),
    "said_tasks": said("tasks"),
    "said_help": said("help"),
    "said_tour": said("tour"),
    "explained": said("why is it slow?"),
    "plan": said(scenes.SENTENCE),
    "plan_explained": said(scenes.SENTENCE, "why?"),
    "plan_applied": said(scenes.SENTENCE, "apply 3f9c2a71b04e --yes"),
    "plan_that_cannot_be_made": said("limit build"),
    "task_refused": said("do "),
    "tried_alone": said("act cpu.max"),
    "not_understood": said("make the thing better"),
    "done_without_a_plan": said("restart web"),
    "unknown_plan": said("apply 0123456789ab"),
    "misspelt_verb": said("stauts"),
    "one_channel": said("watch system.memory.utilization"),
    "no_such_channel": said("watch system.nothing"),
    "cleared": said("status", "clear"),
}


@state
async def plan_in_hand(shell: Shell) -> None:
    await shell.say(scenes.SENTENCE)
    await to_the_plan(shell)


@state
async def jump_with_a_plan(shell: Shell) -> None:
    await shell.say(scenes.SENTENCE)
    await shell.until(lambda: not shell.app._runs.display)  # for the plan, once it has said that it waits
    await shell.at_rest()
    await shell.press("ctrl+o")


@state
async def plan_expired(shell: Shell) -> None:
    await shell.say(scenes.SENTENCE)
    shell.clock += 61
    await to_the_plan(shell)
    await shell.press("a")


@state
async def plan_dropped(shell: Shell) -> None:
    await shell.say(scenes.SENTENCE)
    await to_the_plan(shell)
    await shell.press("c")


@state
async def plan_edited(shell: Shell) -> None:
    await shell.say(scenes.SENTENCE)
    await to_the_plan(shell)
    await shell.press("e")


@state
async def plan_tried_alone(shell: Shell) -> None:
    await shell.say(scenes.SENTENCE)
    await to_the_plan(shell)
    await shell.press("d")
    last = "act unit.restart web.service --dry-run: ok"
    await shell.until(lambda: any(last in block.text for block in shell.app.query(Block)))


@state
async def plan_that_interrupts(shell: Shell) -> None:
    await a_plan(shell, tier="disrupt")
    await to_the_plan(shell)
    await shell.press("a")


@state
async def plan_refused(shell: Shell) -> None:
    await a_plan(shell, decision="deny")
    await to_the_plan(shell)


async def to_the_plan(shell: Shell) -> None:
    """Tab, which the prompt passes on, once the card has its place."""
    await shell.at_rest()
    await shell.press("tab")
    await shell.until(lambda: isinstance(shell.app.focused, PlanCard))
    await shell.at_rest()


async def a_plan(shell: Shell, **how: Any) -> None:
    """Neither did any sentence come to such a plan on the machine that the tape is of."""
    card = PlanCard(scenes.plan(**how), [], "say", shell.app._glyphs, lambda: scenes.NOW_S, shell.app._room)
    await shell.app._transcript.add(card)


@state
async def being_answered(shell: Shell) -> None:
    """Half of what was written is there."""
    hold = taped.Held("events")
    shell.app._run_line = hold
    await shell.app.submit("events")
    await shell.until(hold.told.is_set)


@state
async def a_verb_that_breaks(shell: Shell) -> None:
    def broken(*_: object) -> str:
        raise RuntimeError("oh")

    shell.app._run_line = broken
    await shell.say("status")


@state
async def searching(shell: Shell) -> None:
    for line in ("status", "doctor", scenes.SENTENCE):
        shell.app._prompt.history.append(line)
    await shell.press("ctrl+r")


@state
async def searching_narrowed(shell: Shell) -> None:
    await searching(shell)
    await shell.press(*"20 cpu")


@state
async def palette(shell: Shell) -> None:
    await shell.pilot.press("ctrl+p")
    await options(shell, many=len(list(shell.app.get_system_commands(shell.app.screen))))


@state
async def palette_narrowed(shell: Shell) -> None:
    await palette(shell)
    await shell.pilot.press(*"auto")
    await options(shell, many=1)


async def options(shell: Shell, many: int) -> None:
    """The palette looks for commands in a thread of its own."""
    commands: Any = shell.app.screen.query_one("CommandList")
    await shell.until(lambda: commands.display and commands.option_count == many)


@state
async def the_service_is_gone(shell: Shell) -> None:
    shell.client.fail(*GONE)
    await shell.until(lambda: shell.app._health.lost is not None)


@state
async def the_service_is_back(shell: Shell) -> None:
    await the_service_is_gone(shell)
    shell.client.go()
    await shell.until(lambda: shell.app._health.lost is None)


@state
async def a_name_that_tries_the_terminal(shell: Shell) -> None:
    """What is typed and answered, too, may have escapes and marks of direction in it."""
    shell.app._run_line = lambda client, line, width, listener: "unit \x1b[2J\u202egnp.exe\x07 runs"
    await shell.press("f5", "slash", *"x1b", "enter", "escape", "escape")
    await shell.app.submit("explain \u202egnp.exe")
    await shell.answered()


async def report(shell: Shell, name: str) -> None:
    shell.app.action_report(name)
    await shell.until(lambda: isinstance(shell.app.screen, ReportScreen))
    await shell.until(lambda: any(view.text for view in shell.app.screen.query("#report").results(LineView)))


def reporting(name: str) -> State:
    async def open_it(shell: Shell) -> None:
        await report(shell, name)

    return open_it


STATES |= {f"report_{name.lower()}": reporting(name) for name in REPORTS}


class Opened:
    """Opens shells over the tape, the same on every machine."""

    @asynccontextmanager
    async def shell(
        self,
        size: tuple[int, int] = SIZES[0],
        *,
        client: taped.TapeClient | None = None,
        glyphs: Glyphs = Glyphs.BRAILLE,
        theme: str = "jepa-dark",
        habits: Habits | None = None,
    ) -> AsyncIterator[Shell]:
        client = client or taped.TapeClient()
        vocabulary = Vocabulary(verbs(), actions=actions())
        app = ShellApp(
            client,
            taped.TapeRunner(),
            vocabulary,
            glyphs=glyphs,
            theme=theme,
            habits=habits,
            draw_every=1_000_000,
            processes=taped.TapeProcesses(),
            autonomy=lambda: str(taped.tape()["autonomy"]),
            clock=lambda: scenes.NOW_S + shell.clock,
        )
        app.animation_level = "none"  # between two pictures of a scroll it may seem to stand still
        surveyed = threading.Event()

        def heard(message: Message) -> None:
            if isinstance(message, feed.Surveyed):
                surveyed.set()

        async with app.run_test(size=size, message_hook=heard) as pilot:
            shell = Shell(app, client, pilot, surveyed.is_set)
            yield shell
            client.close()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Opened:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.setattr(main_app, "memory_mib", lambda: taped.tape()["memory_mib"])
    monkeypatch.setattr(feed, "FIRST_WAIT_S", 0.05)
    monkeypatch.setattr(feed, "LONGEST_WAIT_S", 0.05)
    return Opened()


@pytest.fixture
def pictures(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    return snapshot.use_extension(Screens)


async def differing(shell: Shell, names: Iterable[str], pictures: SnapshotAssertion) -> list[str]:
    """Those of the states that do not look as they did."""
    await shell.all_frames()
    found = []
    for name in names:
        await shell.anew()
        await shell.pilot.pause()
        await STATES[name](shell)
        if await shell.at_rest() != pictures(name=name):
            found.append(name)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_states_look_as_they_did(
    opened: Opened, pictures: SnapshotAssertion, size: tuple[int, int]
) -> None:
    async with opened.shell(size) as shell:
        assert await differing(shell, STATES, pictures) == []


@pytest.mark.slow
async def test_a_very_small_screen_looks_as_it_did(opened: Opened, pictures: SnapshotAssertion) -> None:
    names = ("watching", "plan_in_hand", "explained", "help", "what_runs", "replay_of_now")
    async with opened.shell() as shell:
        await shell.all_frames()
        await shell.pilot.resize_terminal(*TINY)
        assert await differing(shell, names, pictures) == []


LOOKS = {
    "light": (Glyphs.BRAILLE, "jepa-light"),
    "console": (Glyphs.BLOCK, "ansi-dark"),
    "sixteen_light": (Glyphs.BRAILLE, "ansi-light"),
    "ascii": (Glyphs.ASCII, "ansi-dark"),
}


@pytest.mark.slow
@pytest.mark.parametrize("look", LOOKS)
async def test_a_terminal_looks_as_it_did(opened: Opened, pictures: SnapshotAssertion, look: str) -> None:
    glyphs, theme = LOOKS[look]
    names = ("watching", "explained", "plan_in_hand", "what_runs", "channels", "replay_of_before")
    async with opened.shell(glyphs=glyphs, theme=theme) as shell:
        assert await differing(shell, names, pictures) == []


async def test_a_terminal_without_utf_8_is_sent_ascii_alone(opened: Opened) -> None:
    async with opened.shell(glyphs=Glyphs.ASCII, theme="ansi-dark") as shell:
        await shell.all_frames()
        for name in (
            "watching",
            "plan_in_hand",
            "what_runs",
            "channels",
            "help",
            "replay_of_before",
            "palette",
        ):
            await shell.anew()
            await STATES[name](shell)
            before, _, _ = (await shell.at_rest()).partition("\n\n")
            assert before.isascii(), name


@pytest.mark.slow
async def test_the_first_look_looks_as_it_did(opened: Opened, pictures: SnapshotAssertion) -> None:
    async with opened.shell(client=taped.TapeClient(ticks=0)) as shell:
        await shell.until(lambda: bool(shell.app.uses and shell.app.query(StripView)))
        assert await shell.at_rest() == pictures


@pytest.mark.slow
async def test_a_service_that_was_never_there_looks_as_it_did(
    opened: Opened, pictures: SnapshotAssertion
) -> None:
    client = taped.TapeClient()
    client.fail(*GONE)
    async with opened.shell(client=client) as shell:
        await shell.until(lambda: shell.app._health.lost is not None and bool(shell.app.uses))
        assert await shell.at_rest() == pictures


@pytest.mark.slow
async def test_the_line_that_is_likely_next_looks_as_it_did(
    opened: Opened, pictures: SnapshotAssertion, tmp_path: Path
) -> None:
    store = HabitStore(tmp_path / "jepa/habits")
    store.enable()
    for line in ["status", "undo"] * 6:
        store.add(line)
    async with opened.shell(habits=Habits(store)) as shell:
        await shell.all_frames()
        await shell.until(lambda: shell.app._prompt.offered == "status")
        assert await shell.at_rest() == pictures


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_is_what_a_verb_says(name: str) -> None:
    _, said, keys = REPORTS[name]
    for line in (said, *keys.values()):
        assert parse(shlex.split(line)).verb == line.split()[0]
