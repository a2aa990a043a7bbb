# SPDX-License-Identifier: Apache-2.0
"""The full screen, driven by keys, over recorded frames; the verbs are the real ones."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import SelectionList, Static

from jepa.service.api import EventOut, HistogramOut
from jepa.shell.complete import Vocabulary
from jepa.shell.processes import ProcessTable
from jepa.shell.prompt_line import LineRunner, verbs
from jepa.shell.tui import feed
from jepa.shell.tui.app import ShellApp
from jepa.shell.tui.draw import Glyphs
from jepa.shell.tui.screens.help import HelpScreen
from jepa.shell.tui.widgets.line_view import LineView
from jepa.shell.tui.widgets.live import LivePanel
from jepa.shell.tui.widgets.prompt import Prompt
from jepa.shell.tui.widgets.strip import StripView
from jepa.shell.tui.widgets.transcript import Block
from tests.unit.shell.waits import came, until

pytestmark = pytest.mark.usefixtures("brisk")
SIZES = {"small": (80, 24), "large": (120, 40)}


@pytest.fixture
def shell(recorded_client: Callable[..., Any], tmp_path: Path) -> Callable[..., ShellApp]:
    def make(
        history: int = 190,
        play: int = 10,
        glyphs: Glyphs = Glyphs.BRAILLE,
        theme: str = "jepa-dark",
        draw_every: int = 10,
    ) -> ShellApp:
        return ShellApp(
            recorded_client(history, play),
            LineRunner(),
            Vocabulary(verbs()),
            glyphs=glyphs,
            theme=theme,
            draw_every=draw_every,
            processes=ProcessTable(tmp_path),
            autonomy=lambda: "advise",
        )

    return make


def shown(app: ShellApp) -> str:
    return "\n".join(view.text for view in app.query(StripView))


def answers(app: ShellApp) -> list[str]:
    return [block.text for block in app.query(Block) if block.kind != "you"]


def newest(app: ShellApp) -> str:
    """The newest answer."""
    return (answers(app) or [""])[-1]


def health(app: ShellApp) -> str:
    return app.query_one("#health", LineView).text


async def played(app: ShellApp, pilot: Pilot[Any], frames: int = 200) -> None:
    client: Any = app._client
    await until(
        pilot, lambda: client.position >= frames and app.board.last_ns == client.recording[frames - 1].ts_ns
    )


async def test_a_verb_typed_is_answered_in_the_transcript(shell: Callable[..., ShellApp]) -> None:
    app = shell()
    async with app.run_test(size=SIZES["small"]) as pilot:
        await pilot.press(*"status", "enter")
        await until(pilot, lambda: any("testhost" in answer for answer in answers(app)))
        assert app.query_one(Prompt).value == ""


@pytest.mark.parametrize("size", [(40, 10), (20, 5), (60, 12), (80, 24), (130, 8)])
async def test_an_answer_is_seen_on_any_screen(
    shell: Callable[..., ShellApp], size: tuple[int, int]
) -> None:
    app = shell()
    client: Any = app._client
    client.histograms = [
        HistogramOut(name="system.disk.latency", unit="us", labels={"disk": "8:0"}, counts=[0, 1, 2])
    ] * 4
    async with app.run_test(size=size) as pilot:
        await played(app, pilot)
        await pilot.press(*"stauts", "enter")
        await until(pilot, lambda: "Did you mean" in newest(app))
        await pilot.pause(0.1)
        block = app.query(Block).last()
        assert block.region.bottom <= app.query_one("#talk").region.bottom
        assert app.query_one("#transcript").size.height >= 2
        assert app.query_one(Prompt).region.bottom < size[1]


async def test_an_unknown_verb_is_answered_with_the_nearest(shell: Callable[..., ShellApp]) -> None:
    app = shell()
    async with app.run_test(size=SIZES["small"]) as pilot:
        await pilot.press(*"statsu", "enter")
        await until(pilot, lambda: "Did you mean status" in newest(app))


async def test_strips_show_values_and_how_often_the_band_held(shell: Callable[..., ShellApp]) -> None:
    app = shell(history=100, play=100)
    async with app.run_test(size=SIZES["large"]) as pilot:
        await played(app, pilot)
        picture = shown(app)
        assert "cpu" in picture and "psi io" in picture
        inside, judged = app.board.tracks["system.cpu.utilization"].held(5)
        assert judged >= 90
        assert f"in band {inside / judged:4.0%}" in picture


async def test_the_service_goes_and_returns(
    shell: Callable[..., ShellApp], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "FIRST_WAIT_S", 0.05)
    app = shell()
    client: Any = app._client
    async with app.run_test(size=SIZES["small"]) as pilot:
        await played(app, pilot)
        client.fail("jepad does not answer.", "Start it with `systemctl start jepad`.")
        await until(pilot, lambda: "no answer, next try" in health(app))
        assert "systemctl start jepad" in newest(app)
        assert "cpu" in shown(app)
        client.down = None
        client.go(20)
        await until(pilot, lambda: newest(app) == "The service answers again.")
        await played(app, pilot, 220)
        await until(pilot, lambda: "machine 0.1.0" in health(app))


async def test_a_channel_the_machine_does_not_have_says_so(shell: Callable[..., ShellApp]) -> None:
    app = shell()
    async with app.run_test(size=SIZES["small"]) as pilot:
        await played(app, pilot)
        await app.submit("watch hw.battery.charge")
        await until(pilot, lambda: "not observed here" in shown(app))


async def test_the_strips_are_laid_out_for_the_size_that_the_terminal_now_has(
    shell: Callable[..., ShellApp],
) -> None:
    app = shell(history=100, play=100)
    async with app.run_test(size=(80, 5)) as pilot:
        await played(app, pilot)
        assert not app.query_one(LivePanel).display
        await pilot.resize_terminal(*SIZES["large"])
        await until(pilot, lambda: app.query_one(LivePanel).display and "in band" in shown(app))
        await pilot.resize_terminal(80, 5)
        await until(pilot, lambda: not app.query_one(LivePanel).display)


async def test_watching_an_unknown_channel_changes_nothing(shell: Callable[..., ShellApp]) -> None:
    app = shell()
    async with app.run_test(size=SIZES["small"]) as pilot:
        await played(app, pilot)
        await app.submit("watch system.nothing")
        assert "There is no channel system.nothing" in newest(app)
        assert "cpu" in shown(app)


async def test_a_held_picture_stays_while_frames_go_on(shell: Callable[..., ShellApp]) -> None:
    app = shell()
    client: Any = app._client
    async with app.run_test(size=SIZES["small"]) as pilot:
        await played(app, pilot)
        await pilot.press("f4")
        before = shown(app)
        client.go(30)
        await played(app, pilot, 230)
        assert shown(app) == before
        assert "held" in health(app)
        await pilot.press("f4")
        assert shown(app) != before


async def test_events_appear_in_the_transcript_as_they_happen(shell: Callable[..., ShellApp]) -> None:
    app = shell()
    async with app.run_test(size=(120, 40)) as pilot:
        await played(app, pilot)
        client: Any = app._client
        client.happened.append(
            EventOut(
                sequence=1,
                ts_ns=time.time_ns(),
                kind="unit_failed",
                severity="error",
                source="units",
                unit="web.service",
                detail="result exit-code",
            )
        )
        client.go(2)
        await until(pilot, lambda: any("web.service" in answer for answer in answers(app)))
        assert [a for a in answers(app) if "unit failed  web.service  (result exit-code)" in a]
        client.go(2)
        await pilot.pause(0.2)
        assert len([a for a in answers(app) if "web.service" in a]) == 1


async def test_heat_strips_appear_once_something_is_counted(shell: Callable[..., ShellApp]) -> None:
    app = shell(draw_every=1)
    async with app.run_test(size=(120, 40)) as pilot:
        await played(app, pilot)
        strip = app.query_one("#heat", Static)
        assert not strip.display
        client: Any = app._client
        labels = {"role": "foreground"}
        client.histograms = [
            HistogramOut(
                name="system.cpu.run_queue.latency",
                unit="us",
                labels=labels,
                counts=[0, 1, 50, 100, 0, 2, 0],
            )
        ]
        client.go(2)
        await until(pilot, lambda: strip.display)
        assert str(strip.render()) == "run queue foreground    | ░▒█ ░ |  153 below 32 us"


async def test_channels_are_chosen_by_marking(shell: Callable[..., ShellApp]) -> None:
    app = shell()
    async with app.run_test(size=SIZES["small"]) as pilot:
        await played(app, pilot)
        await pilot.press("f2")
        await until(pilot, lambda: bool(app.screen.query(SelectionList)))
        await pilot.press("space", "enter")
        await until(pilot, lambda: len(app.query(StripView)) == 3)
        assert "system.cpu.utilization" not in {view.channel.name for view in app.query(StripView)}


async def test_tab_completes_verbs_and_names_the_channels_left(shell: Callable[..., ShellApp]) -> None:
    app = shell()
    async with app.run_test(size=SIZES["small"]) as pilot:
        await played(app, pilot)
        await pilot.press(*"fore", "tab")
        assert app.query_one(Prompt).value == "forecast "
        await pilot.press(*"pressure", "tab")
        hint = app.query_one("#hint", Static)
        assert hint.display and "system.pressure.io.some" in str(hint.render())


async def test_earlier_lines_come_back(shell: Callable[..., ShellApp]) -> None:
    app = shell()
    async with app.run_test(size=SIZES["small"]) as pilot:
        await pilot.press(*"help", "enter", *"status", "enter", "up", "up")
        assert app.query_one(Prompt).value == "help"
        await pilot.press("down", "down")
        assert app.query_one(Prompt).value == ""


async def test_the_window_key_goes_through_the_horizons(shell: Callable[..., ShellApp]) -> None:
    app = shell()
    async with app.run_test(size=SIZES["small"]) as pilot:
        await played(app, pilot)
        await pilot.press("f3")
        await pilot.pause()
        assert "15 s means" in str(app.query_one(".axis", Static).render())


async def test_help_opens_and_closes(shell: Callable[..., ShellApp]) -> None:
    app = shell()
    async with app.run_test(size=SIZES["small"]) as pilot:
        await pilot.press("f1")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, HelpScreen))


@pytest.mark.parametrize("leave", [("ctrl+d",), ("ctrl+q",), (*"quit", "enter")])
async def test_the_shell_is_left(shell: Callable[..., ShellApp], leave: tuple[str, ...]) -> None:
    app = shell()
    async with app.run_test(size=SIZES["small"]) as pilot:
        await pilot.press(*leave)
        await came(lambda: not app.is_running or app._exit)


async def test_a_verb_that_breaks_is_one_wrong_answer(
    recorded_client: Callable[..., Any], tmp_path: Path
) -> None:
    def broken(client: object, line: str, width: int, listener: object) -> str:
        raise RuntimeError("oh")

    app = ShellApp(recorded_client(), broken, Vocabulary(["status"]), processes=ProcessTable(tmp_path))
    async with app.run_test(size=SIZES["small"]) as pilot:
        await pilot.press(*"status", "enter")
        await until(pilot, lambda: "This verb failed" in newest(app))
