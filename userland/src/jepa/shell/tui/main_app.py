# SPDX-License-Identifier: Apache-2.0
"""The main screen as an app: binds the feed, the strips, the panels, transcript and prompt together."""

import asyncio
import gc
import signal
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from textual import on
from textual.app import App, ComposeResult
from textual.containers import Container, Horizontal, Vertical
from textual.events import DescendantFocus
from textual.filter import LineFilter
from textual.screen import Screen
from textual.widgets import Footer, Input, Label, Static

from jepa.errors import JepaError
from jepa.healing.mode import ModeFile
from jepa.service.api import ChannelInfo, Client, EventOut, HistogramOut
from jepa.shell.channel_names import resolve
from jepa.shell.complete import Vocabulary
from jepa.shell.formatting import HEAT, heat_line
from jepa.shell.habits.habits import Habits
from jepa.shell.processes import ProcessTable, Use, memory_mib
from jepa.shell.tick_table import names_channels_alone
from jepa.shell.tui import feed, turns
from jepa.shell.tui.ascii import Ascii
from jepa.shell.tui.draw import Glyphs
from jepa.shell.tui.model import arrangement, happenings
from jepa.shell.tui.model.answer_text import answer_lines
from jepa.shell.tui.model.header import Health, header
from jepa.shell.tui.model.line import line
from jepa.shell.tui.model.movement import choose, movement
from jepa.shell.tui.model.plan_card import dry_run
from jepa.shell.tui.series import Board
from jepa.shell.tui.themes import THEMES
from jepa.shell.tui.widgets.line_view import LineView
from jepa.shell.tui.widgets.live import LivePanel
from jepa.shell.tui.widgets.panels import RunsPanel, TasksPanel
from jepa.shell.tui.widgets.plan_card import PlanCard
from jepa.shell.tui.widgets.prompt import Prompt
from jepa.shell.tui.widgets.strip import StripView
from jepa.shell.tui.widgets.transcript import Transcript, you
from jepa.telemetry.clocks import boot_s
from jepa.text import shown

HEAT_STRIPS = 4
"""Histograms shown above the prompt."""
HAPPENED = 1000
"""Events that a replay knows of."""
ONLY_ASCII = Ascii()
MOVED_S = 120
"""Seconds by which the channels worth a strip are chosen."""


class MainApp(App[int]):
    """What is always on the screen."""

    CSS_PATH = "app.tcss"
    TITLE = "jepa"
    ENABLE_COMMAND_PALETTE = True
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012  (Textual declares it an instance variable)
        (0, "-narrow"),
        (arrangement.WIDE, "-wide"),
    ]

    def __init__(
        self,
        client: Client,
        run_line: turns.RunLine,
        vocabulary: Vocabulary,
        *,
        habits: Habits | None = None,
        glyphs: Glyphs = Glyphs.BRAILLE,
        theme: str = "jepa-dark",
        draw_every: int = 1,
        processes: ProcessTable | None = None,
        autonomy: Callable[[], str] | None = None,
        clock: Callable[[], float] = boot_s,
    ) -> None:
        """``processes`` and ``autonomy`` are looked at in the feed; ``clock`` is that of plans."""
        super().__init__()
        for own in THEMES:
            self.register_theme(own)
        self.theme = theme
        self.board = Board({})
        self.channels: list[ChannelInfo] = []
        self.chosen: list[str] | None = None
        """The channels a person chose; None until then."""
        self._client = client
        self._run_line = run_line
        self._vocabulary = vocabulary
        self._glyphs = glyphs
        self._draw_every = draw_every
        self._clock = clock
        self._ticks = 0
        self._feed = feed.Feed(
            client, self.post_message, processes or ProcessTable(), autonomy or ModeFile()
        )
        self._health = Health()
        self._opening = ExitStack()
        self._main: Screen[object]
        """The screen under all others."""
        # Held and not looked up: what the feed has still to say when the shell is left finds them, too.
        self._header = LineView(id="health")
        self._talk = Vertical(id="talk")
        self._runs = RunsPanel(memory_mib(), glyphs)
        self._transcript = Transcript()
        self._hint = Static(id="hint", markup=False)
        self._side = Vertical(id="side")
        self._live = LivePanel(glyphs)
        self._tasks = TasksPanel(glyphs)
        self._heat = Static(id="heat", markup=False)
        self._prompt = Prompt(vocabulary, habits or Habits())
        self.uses: list[Use] = []
        """What every process used, by the newest look."""
        self.changes: list[dict[str, Any]] = []
        """Of the machine, the newest first."""
        self.happened: list[EventOut] = []
        """Since the shell was opened, and a few from before."""

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Those of Textual, and ASCII alone where a terminal has no more."""
        filters = super().get_line_filters()
        return [*filters, ONLY_ASCII] if self._glyphs is Glyphs.ASCII else filters

    def refresh_css(self, animate: bool = True) -> None:
        """Read the styles anew for another theme; for the first there are none yet to be read twice."""
        if self.screen_stack:
            super().refresh_css(animate)
        else:
            self.stylesheet.set_variables(self.get_css_variables())

    def compose(self) -> ComposeResult:
        """Header; transcript and table beside strips and tasks; prompt; keys."""
        yield self._header
        with Container(id="body"):
            with self._talk:
                yield self._runs
                yield self._transcript
                yield self._hint
            with self._side:
                yield self._live
                yield self._tasks
        yield self._heat
        with Horizontal(id="ask"):
            yield Label("jepa> ", markup=False)
            yield self._prompt
        yield Footer(compact=True)

    async def on_mount(self) -> None:
        """Ask for what is typed."""
        if self.current_theme.ansi:
            # Most often a slow line, which is not sent the three layouts that it takes until everything has
            # its place. Elsewhere the first of them is there a tenth sooner.
            self._opening.enter_context(self.batch_update())
        self._main = self.screen
        self._main.set_class(self._glyphs is Glyphs.ASCII, "-ascii")
        self._prompt.focus()
        self._transcript.anchor()
        # Textual ends at SIGTERM with the terminal in raw mode on its alternate screen.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.exit, 0)

    def on_ready(self) -> None:
        """Draw, and read only then: before, it would hold that up."""
        self._opening.close()
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        self._feed.start()
        if not gc.isenabled():  # whoever starts the shell leaves it off until here
            gc.freeze()
            gc.enable()

    def on_unmount(self) -> None:
        """Stop reading."""
        self._feed.stop()

    def on_resize(self) -> None:
        """Lay everything out anew, afterwards: Textual takes the new size only once this has been called."""
        self.call_later(self._arrange)

    @on(DescendantFocus)
    def _keep_the_cursor_still(self, event: DescendantFocus) -> None:
        """Here and on every screen over it, those of Textual, too: a blink is 150 bytes for nothing."""
        if isinstance(event.widget, Input):
            event.widget.cursor_blink = False

    # What the feed says

    @on(feed.Connected)
    async def _connected(self, message: feed.Connected) -> None:
        if [c.name for c in self.channels] != [c.name for c in message.channels]:
            self.channels = message.channels
            self.board = Board({c.name: c.noise_floor for c in message.channels})
            self._vocabulary.channels = [c.name for c in message.channels]
        self.board.fill(message.frames)
        lost, self._health = self._health.lost, replace(self._health, status=message.status, lost=None)
        if lost is not None:
            await self._transcript.say("note", [line("The service answers again.")])
        self._show_health()
        await self._arrange()

    @on(feed.Before)
    async def _before(self, message: feed.Before) -> None:
        status = self._health.status
        self.happened = [*message.events, *self.happened]
        if status is not None:
            width = self._transcript.size.width - 4
            await self._transcript.say("note", happenings.welcome(status, message.events, width))

    @on(feed.Ticked)
    def _ticked(self, message: feed.Ticked) -> None:
        self.board.tick(message.tick)
        self._ticks += 1
        panel = self._live
        if self.board.horizons and panel.window not in self.board.horizons:
            self._set_window(min(self.board.horizons, key=lambda h: abs(h - panel.window)))
        if self._health.status is not None:
            self._health = replace(
                self._health, status=replace(self._health.status, surprise=message.tick.surprise)
            )
        if not self._health.held and self._ticks % self._draw_every == 0:
            panel.show(self.board)
            self._show_heat(message.tick.histograms)
            self._show_health()

    @on(feed.Surveyed)
    async def _surveyed(self, message: feed.Surveyed) -> None:
        self.board.recall(message.frames)
        if not self._health.held:
            await self._arrange()

    @on(feed.EventsArrived)
    async def _happened(self, message: feed.EventsArrived) -> None:
        self.happened = [*self.happened, *message.events][-HAPPENED:]
        await self._transcript.happened(message.events)

    @on(feed.StatusRead)
    def _status_read(self, message: feed.StatusRead) -> None:
        self._health = replace(self._health, status=message.status, autonomy=message.autonomy)
        self._show_health()

    @on(feed.ProcessesRead)
    def _processes_read(self, message: feed.ProcessesRead) -> None:
        self._vocabulary.names = sorted(
            {name for use in message.uses for name in (use.name, use.unit) if name}
        )
        self.uses = message.uses
        if not self._health.held:
            self._runs.take(message.uses)

    @on(feed.StandingRead)
    def _standing_read(self, message: feed.StandingRead) -> None:
        self.changes = message.changes
        units = {channel.name: channel.unit for channel in self.channels}
        self._tasks.take(message.tasks, message.changes, units)

    @on(TasksPanel.Resized)
    async def _tasks_resized(self) -> None:
        await self._arrange()

    @on(feed.Lost)
    async def _service_lost(self, message: feed.Lost) -> None:
        first = self._health.lost is None
        self._health = replace(self._health, lost=message.error, retry_s=message.retry_s)
        self._show_health()
        if first:
            await self._transcript.say("refused", answer_lines(shown(str(message.error))))

    def _show_heat(self, histograms: list[HistogramOut]) -> None:
        shown = [each for each in histograms if each.name in HEAT][:HEAT_STRIPS]
        unicode = self._glyphs is not Glyphs.ASCII
        strip = self._heat
        strip.display = bool(shown) and self._division.heat
        text, before = "\n".join(heat_line(each, unicode=unicode) for each in shown), str(strip.content)
        if text != before:
            strip.update(text, layout=text.count("\n") != before.count("\n"))

    def _show_health(self) -> None:
        bar = self._header
        bar.set_class(self._health.lost is not None, "-lost")
        bar.set_class(self._health.held and self._health.lost is None, "-held")
        between = " | " if self._glyphs is Glyphs.ASCII else " · "
        bar.show([header(self._health, max(self.size.width - 2, 0), between)])

    # Where everything is

    @property
    def _division(self) -> arrangement.Arrangement:
        standing = len(self._tasks.lines)
        return arrangement.arrange(self.size.width, self.size.height, standing)

    async def _arrange(self) -> None:
        if not self._live.is_attached:  # the shell is being left
            return
        found = self._division
        tasks = self._tasks
        tasks.display = found.tasks > 0
        tasks.styles.height = found.tasks
        # What is asked comes before what runs; a plan that nobody decides on expires.
        runs = found.runs and not any(card.waits for card in self._transcript.cards)
        self._runs.display = runs
        self._talk.set_class(not runs, "-alone")
        live = self._live
        live.display = found.strips > 0
        self._side.display = found.strips > 0 or found.tasks > 0
        if not self.channels:
            return
        names = self.chosen or self._moving(found.strips)
        by_name = {channel.name: channel for channel in self.channels}
        shown = [by_name[name] for name in names if name in by_name]
        await live.lay_out(shown, found.strip_rows, found.across, fill=found.wide)
        drawn = [view.channel.name for view in live.views]
        self._feed.draw(drawn if live.display else drawn[:1])  # of none named the stream has all

    def _moving(self, many: int) -> list[str]:
        second = self.board.second
        moved = {
            name: movement(track.range(second, MOVED_S), track.noise_floor)
            for name, track in self.board.tracks.items()
            if second is not None and track.observed
        }
        shown = [view.channel.name for view in self._live.views]
        return choose([channel.name for channel in self.channels], moved, many, shown)

    @on(StripView.Resized)
    def _strip_resized(self) -> None:
        self._live.show(self.board)

    def _set_window(self, seconds: int) -> None:
        self._live.window = seconds
        self._live.caption()
        self._live.show(self.board)

    # The prompt

    @on(Prompt.Candidates)
    def _candidates(self, message: Prompt.Candidates) -> None:
        hint = self._hint
        hint.display = bool(message.words)
        hint.update("  ".join(message.words))

    @on(Prompt.Entered)
    async def _entered(self, message: Prompt.Entered) -> None:
        await self.submit(message.line)

    @on(Prompt.Onward)
    def _onward(self) -> None:
        cards = self._transcript.cards
        if cards:
            cards[-1].focus()
        else:
            self._prompt.complete()

    async def submit(self, said: str) -> None:
        """Run one line as if it had been typed."""
        verb, *names = said.removeprefix("jepa ").split() or [""]
        if verb in ("quit", "exit"):
            self.exit(0)
        elif verb == "clear":
            await self._transcript.remove_children()
        elif verb == "watch" and names_channels_alone(names):
            await self._watch(said, names)
        else:
            turn = turns.Turn(said, self.post_message)
            for card in self._applied_by(turn):
                card.applying()
            await self._transcript.begin(turn)
            turn.start(self._run_line, self._client, self._transcript.content_size.width - 3)

    @on(turns.Understood)
    async def _understood(self, message: turns.Understood) -> None:
        await self._transcript.understood(message)

    @on(turns.Planned)
    async def _planned(self, message: turns.Planned) -> None:
        if not self._transcript.has_plan(message.plan["id"]):
            said = message.turn.line
            card = PlanCard(message.plan, message.past, said, self._glyphs, self._clock, self._room)
            await self._transcript.add(card)

    @on(turns.Wrote)
    async def _wrote(self, message: turns.Wrote) -> None:
        await self._transcript.wrote(message)
        if message.ended:
            for card in self._applied_by(message.turn):
                card.carried_out(message.kind != "refused")
            self._feed.look()

    def _applied_by(self, turn: turns.Turn) -> list[PlanCard]:
        """Cards of the plan that the line of ``turn`` applies, typed or by a key of the card."""
        verb, *names = turn.line.removeprefix("jepa ").split() or [""]
        if verb != "apply":
            return []
        return [card for card in self.query(PlanCard) if card.plan["id"] in names and not card.is_settled]

    def _room(self) -> int:
        return self._talk.size.height

    @on(PlanCard.Waits)
    async def _card_waits(self) -> None:
        await self._arrange()

    @on(PlanCard.Left)
    def _card_left(self) -> None:
        self._prompt.focus()

    @on(PlanCard.Decided)
    async def _decided(self, message: PlanCard.Decided) -> None:
        prompt = self._prompt
        prompt.focus()
        plan = message.card.plan
        match message.decision:
            case "apply":
                await self.submit(f"apply {plan['id']} --yes")
            case "edit":
                prompt.put(message.card.said)
            case "explain" if message.card is self._transcript.cards[-1]:
                await self.submit("why?")
            case "explain":
                self.notify("Only the newest plan is explained; say the sentence again.")
            case "dry-run":
                for step in plan["steps"]:
                    await self.submit(dry_run(step))
            case "cancel":
                await self._transcript.say(
                    "note", [line(f"Plan {plan['id']} is dropped; nothing was changed.")]
                )

    async def _watch(self, said: str, names: list[str]) -> None:
        await self._transcript.say("you", you(said))
        try:
            names = resolve(names, [channel.name for channel in self.channels])
        except JepaError as error:
            await self._transcript.say("refused", answer_lines(shown(str(error))))
            return
        self.chosen = names or None
        await self._arrange()
        self._feed.look()
        await self._transcript.say("result", [line(f"On the strips: {', '.join(names) or 'what moves'}.")])
