# SPDX-License-Identifier: Apache-2.0
"""How the full screen looks in every state at three sizes, as text: seeded data, frozen clocks."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion
from textual.pilot import Pilot
from textual.widgets import DataTable, Footer
from textual.widgets._footer import FooterKey

from jepa.errors import JepaError
from jepa.service.api import Part
from jepa.shell.complete import Vocabulary
from jepa.shell.prompt_line import verbs
from jepa.shell.tui import feed
from jepa.shell.tui.app import ShellApp
from jepa.shell.tui.draw import Glyphs
from jepa.shell.tui.screens.replay import ReplayScreen
from jepa.shell.tui.widgets.strip import StripView
from tests.unit.shell import tui_scenes as scenes

SIZES = {"small": (80, 24), "large": (120, 40), "tiny": (44, 14)}
PLANS = {
    "a plan that interrupts": scenes.plan("aaaaaaaaaaaa", tier="disrupt"),
    "a plan that is refused": scenes.plan("bbbbbbbbbbbb", decision="deny"),
    "a plan with nothing to do": scenes.plan("cccccccccccc", decision="allow", steps=0),
}


class Scenes:
    """Goes from state to state, and keeps what the screen showed in each."""

    def __init__(self, app: ShellApp, pilot: Pilot[Any]) -> None:
        self.app = app
        self.pilot = pilot
        self.seen: dict[str, str] = {}

    async def keep(self, name: str) -> None:
        """Let everything under way be drawn, and keep the picture."""
        await self.pilot.pause()
        screen = self.app.screen
        # The keys of a screen are composed some turns after it is opened.
        await self.until(lambda: not screen.query(Footer) or bool(screen.query(FooterKey)))
        for view in screen.query(StripView):
            view.top = 0.0
        if self.app.screen is self.app._main:
            self.app._live.show(self.app.board)
        if isinstance(screen, ReplayScreen):
            screen._show()
        # Columns of a table get their widths when it is idle.
        await self.until(lambda: not any(t._require_update_dimensions for t in screen.query(DataTable)))
        await self.pilot.pause()
        self.seen[name] = "\n".join(scenes.text_rows(self.app.screen))

    async def say(self, line: str) -> None:
        """Enter a line and wait for the whole answer."""
        await self.app.submit(line)
        await self.until(lambda: not self.app._transcript._turns)

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait for what another thread brings about."""
        deadline = time.monotonic() + 60
        while not true():
            assert time.monotonic() < deadline
            await self.pilot.pause(0.01)
        await self.pilot.pause()


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    # The clock of the panel of what stands.
    monkeypatch.setattr(time, "time_ns", lambda: scenes.START_NS + 200 * 10**9)
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("size", SIZES)
async def test_every_state_looks_as_it_did(
    recorded_client: Callable[..., Any],
    snapshot: SnapshotAssertion,
    monkeypatch: pytest.MonkeyPatch,
    size: str,
) -> None:
    monkeypatch.setattr(feed, "PROCESSES_S", 1000.0)
    monkeypatch.setattr(feed, "SOON_S", 1000.0)
    monkeypatch.setattr(feed, "FIRST_WAIT_S", 1000.0)
    client = recorded_client(100, 100)
    client.happened = scenes.EVENTS[:2]
    clock = [scenes.NOW_S]
    glyphs = Glyphs.ASCII if size == "tiny" else Glyphs.BRAILLE
    app = ShellApp(
        client,
        scenes.Scripted(PLANS),
        Vocabulary(verbs()),
        glyphs=glyphs,
        theme="ansi-dark" if size == "tiny" else "jepa-dark",
        processes=scenes.Processes(),
        autonomy=lambda: "ask",
        clock=lambda: clock[0],
        draw_every=50,
    )
    async with app.run_test(size=SIZES[size]) as pilot:
        scene = Scenes(app, pilot)
        await scene.until(
            lambda: client.position >= 200 and app.board.last_ns == client.recording[199].ts_ns
        )
        await scene.until(lambda: bool(app.uses) and "nothing" in app._main.query_one("#tasks").text)
        await scene.keep("the first screen")
        await scene.say("status")
        await scene.keep("a verb answered")
        await scene.say("broken")
        await scene.keep("a line refused")
        await scene.say("explain")
        await scene.keep("evidence")
        await scene.say(scenes.SENTENCE)
        await scene.keep("a plan that waits")
        await pilot.press("tab")
        await scene.keep("a plan in focus")
        await pilot.press("a")
        await scene.until(lambda: not app._transcript._turns and app._run_line.asked[-1].startswith("apply"))
        await scene.keep("a plan applied")
        await scene.say("a plan that interrupts")
        await pilot.press("tab", "a")
        await scene.keep("a plan that wants a second key")
        await pilot.press("n", "escape")
        await scene.keep("a second key not given")
        clock[0] += 120
        app._transcript.cards[-1].count()
        await scene.keep("a plan that has expired")
        await scene.say("a plan that is refused")
        await scene.keep("a plan that is refused")
        await scene.say("a plan with nothing to do")
        await scene.keep("a plan with nothing to do")
        client.standing = [scenes.task(scenes.START_NS + 2000 * 10**9)]
        client.changes = [scenes.change(task="t1f0c9a3b"), scenes.change("c5", state="undone")]
        app._feed.look()
        await scene.until(lambda: "F8" in app._main.query_one("#tasks").text)
        await scene.keep("a task that stands")
        await pilot.press("f8")
        await scene.keep("the line that takes it back")
        await pilot.press("ctrl+c", *"for", "tab", *"pres", "tab")
        await scene.keep("completions")
        await pilot.press("ctrl+c", "tab")
        app.post_message(feed.EventsArrived([scenes.EVENTS[2]]))
        await scene.keep("an event")
        await pilot.press("f1")
        await scene.keep("help")
        await pilot.press("escape", "f2")
        await scene.keep("the choice of channels")
        await pilot.press("escape", "f5")
        await scene.keep("processes")
        await pilot.press("u")
        await scene.keep("units")
        await pilot.press("m")
        await scene.keep("units by memory")
        await pilot.press("u", "slash", *"post")
        await scene.keep("processes with a word")
        await pilot.press("escape", "escape", "f6")
        await scene.keep("events")
        await pilot.press("escape", "f7")
        await scene.keep("changes")
        await pilot.press("escape")
        app.action_report("Packs")
        await scene.until(lambda: "verified" in "\n".join(scenes.text_rows(app.screen)))
        await scene.keep("packs")
        await pilot.press("escape", "f9")
        await scene.keep("replay")
        await pilot.press("up", "left", "left", "b")
        await scene.keep("replay of an event")
        await pilot.press("escape", "ctrl+o")
        await scene.keep("jump")
        await pilot.press("escape", *"help", "enter", "ctrl+r", *"he")
        await scene.keep("earlier lines")
        await pilot.press("escape", "f4")
        await scene.keep("the picture held")
        await pilot.press("f4", "f3")
        await scene.keep("another window")
        status = replace(
            client.status(),
            state="degraded",
            parts=[Part(name="bpf", state="degraded", reason="no BTF"), Part(name="power", state="failed")],
        )
        app.post_message(feed.StatusRead(status, "auto"))
        await scene.keep("degraded")
        app.post_message(feed.Lost(JepaError("jepad does not answer.", "Start it."), 4.0))
        await scene.keep("no service")
        await pilot.press("ctrl+l")
        await scene.keep("an empty transcript")
        assert scene.seen == snapshot
    assert len(scene.seen) >= 34
