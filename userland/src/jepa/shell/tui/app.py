# SPDX-License-Identifier: Apache-2.0
"""The Textual app: binds the service reader, the live panel, the transcript and the prompt together."""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import ClassVar

from textual import on
from textual.app import App, ComposeResult, SystemCommand
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal, Vertical, VerticalScroll
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Footer, Label, Static

from jepa.errors import JepaError
from jepa.service.api import ChannelInfo, Client, HistogramOut, Status
from jepa.shell.channel_names import choose, resolve
from jepa.shell.complete import Vocabulary
from jepa.shell.formatting import HEAT, event_line, fit, health, heat_line
from jepa.shell.tick_table import names_channels_alone
from jepa.shell.tui.draw import Glyphs
from jepa.shell.tui.live import LivePanel
from jepa.shell.tui.prompt import Prompt
from jepa.shell.tui.reader import Connected, EventsArrived, Lost, ServiceReader, StatusRead, Ticked
from jepa.shell.tui.screens import ChannelScreen, HelpScreen
from jepa.shell.tui.series import Board
from jepa.shell.tui.strip import StripView
from jepa.text import shown

NARROW = 116
"""Screens with fewer columns put the strips above the transcript, which needs 76 of its own for tables."""
SIDE_BY_SIDE = 64
"""Screens with fewer columns have one strip in a row."""
STRIPS_FROM = 9
"""Screens with fewer rows have no strips: what a person asks for comes first."""
HEAT_FROM = 20
"""Screens with fewer rows have no histograms."""
BLOCKS = 200
"""Blocks the transcript keeps."""
SHOWN = 7
HEAT_STRIPS = 4
"""Histograms shown above the prompt."""

RunLine = Callable[[Client, str, int], str]
"""Runs one verb line and gives its text for so many columns; raises JepaError."""


class Block(Vertical):
    """One entry of the transcript: what was typed, and the answer."""

    def __init__(self, said: str, answer: str, kind: str) -> None:
        super().__init__(classes=f"block -{kind}")
        self.said = shown(said)
        self.answer = _safe(answer)

    def compose(self) -> ComposeResult:
        """What was typed, if anything was, over the answer."""
        if self.said:
            yield Static(f"> {self.said}", classes="said", markup=False)
        yield Static(self.answer, classes="answer", markup=False)

    def settle(self, answer: str, kind: str) -> None:
        """Put the answer in place of the waiting mark."""
        self.answer = _safe(answer)
        self.set_classes(f"block -{kind}")
        self.query_one(".answer", Static).update(self.answer)


def _safe(text: str) -> str:
    """``text`` with every control character but the ends of lines shown escaped."""
    return "\n".join(map(shown, text.split("\n")))


class Answered(Message):
    """A verb line has been run."""

    def __init__(self, block: Block, answer: str, refused: bool) -> None:
        super().__init__()
        self.block = block
        self.answer = answer
        self.refused = refused


class ShellApp(App[int]):
    """The full-screen shell."""

    CSS_PATH = "app.tcss"
    TITLE = "jepa"
    ENABLE_COMMAND_PALETTE = True
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012  (Textual declares it an instance variable)
        (0, "-narrow"),
        (NARROW, "-wide"),
    ]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f1", "help", "Help"),
        Binding("f2", "channels", "Channels"),
        Binding("f3", "window", "Window"),
        Binding("f4", "hold", "Hold"),
        Binding("ctrl+l", "clear", "Clear"),
        Binding("pageup", "page(-1)", "Up", show=False),
        Binding("pagedown", "page(1)", "Down", show=False),
        Binding("ctrl+q", "quit", "Leave", priority=True),
    ]

    def __init__(
        self,
        client: Client,
        run_line: RunLine,
        vocabulary: Vocabulary,
        *,
        glyphs: Glyphs = Glyphs.BRAILLE,
        theme: str = "textual-dark",
        draw_every: int = 1,
    ) -> None:
        super().__init__()
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
        self._ticks = 0
        self._reader = ServiceReader(client, self.post_message)
        self._status: Status | None = None
        self._lost: Lost | None = None
        self._held = False

    def compose(self) -> ComposeResult:
        """Health, strips and transcript, prompt, keys."""
        yield Static("jepa", id="health", markup=False)
        with Container(id="body"):
            with Vertical(id="talk"):
                yield VerticalScroll(id="transcript", can_focus=False)
                yield Static(id="hint", markup=False)
            yield LivePanel(self._glyphs)
        yield Static(id="heat", markup=False)
        with Horizontal(id="ask"):
            yield Label("jepa> ", markup=False)
            yield Prompt(self._vocabulary)
        yield Footer(compact=True)

    async def on_mount(self) -> None:
        """Say what there is to do, and start reading."""
        self.query_one(Prompt).focus()
        self.query_one("#transcript", VerticalScroll).anchor()
        await self._say(
            "", "Type status, doctor or forecast; Tab completes; F1 explains the strips.", kind="note"
        )
        self._reader.start()
        # Textual ends at SIGTERM with the terminal in raw mode on its alternate screen.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.exit, 0)

    def on_unmount(self) -> None:
        """Stop reading."""
        self._reader.stop()

    def on_resize(self) -> None:
        """Lay the strips out anew, afterwards: Textual takes the new size only once this has been called."""
        self.call_later(self._arrange)

    # What the service says

    @on(Connected)
    async def _connected(self, message: Connected) -> None:
        if [c.name for c in self.channels] != [c.name for c in message.channels]:
            self.channels = message.channels
            self.board = Board({c.name: c.noise_floor for c in message.channels})
            self._vocabulary.channels = [c.name for c in message.channels]
        self.board.fill(message.frames)
        self._status = message.status
        if self._lost is not None:
            self._lost = None
            await self._say("", "The service answers again.", kind="note")
        self._show_health()
        await self._arrange()

    @on(Ticked)
    def _ticked(self, message: Ticked) -> None:
        self.board.tick(message.tick)
        self._ticks += 1
        panel = self.query_one(LivePanel)
        if self.board.horizons and panel.window not in self.board.horizons:
            self._set_window(min(self.board.horizons, key=lambda h: abs(h - panel.window)))
        if self._status is not None:
            self._status = replace(self._status, surprise=message.tick.surprise)
        if not self._held and self._ticks % self._draw_every == 0:
            panel.show(self.board)
            self._show_heat(message.tick.histograms)
            self._show_health()

    @on(EventsArrived)
    async def _happened(self, message: EventsArrived) -> None:
        text = "\n".join(event_line(event) for event in message.events)
        bad = any(event.severity in ("error", "critical") for event in message.events)
        await self._say("", text, kind="refused" if bad else "note")

    def _show_heat(self, histograms: list[HistogramOut]) -> None:
        shown = [each for each in histograms if each.name in HEAT][:HEAT_STRIPS]
        unicode = self._glyphs is not Glyphs.ASCII
        strip = self.query_one("#heat", Static)
        strip.display = bool(shown) and self.size.height >= HEAT_FROM and self.size.width >= SIDE_BY_SIDE
        strip.update("\n".join(heat_line(each, unicode=unicode) for each in shown))

    @on(StatusRead)
    def _status_read(self, message: StatusRead) -> None:
        self._status = message.status

    @on(Lost)
    async def _service_lost(self, message: Lost) -> None:
        first = self._lost is None
        self._lost = message
        self._show_health()
        if first:
            error = message.error
            await self._say("", shown(str(error)), kind="refused")

    def _show_health(self) -> None:
        bar = self.query_one("#health", Static)
        bar.set_class(self._lost is not None, "-lost")
        bar.set_class(self._held and self._lost is None, "-held")
        facts = ["jepa"]
        if self._lost is not None:
            facts += [f"no answer, next try in {self._lost.retry_s:.0f} s", shown(self._lost.error.problem)]
        elif self._held:
            facts += ["picture held, F4 goes on"]
        if self._status is not None and self._lost is None:
            facts += health(self._status)
        between = " | " if self._glyphs is Glyphs.ASCII else " · "
        line = fit(facts, max(self.size.width - 2, 0), between)
        if line != self._health:
            self._health = line
            bar.update(line)

    _health = ""

    # The strips

    async def _arrange(self) -> None:
        if not self.channels:
            return
        panel = self.query_one(LivePanel)
        narrow = self.size.width < NARROW
        # Header, prompt and footer take three rows; a narrow screen gives the strips half of the rest.
        panel.display = self.size.height >= STRIPS_FROM
        self.query_one("#talk").set_class(not panel.display, "-alone")
        if narrow:
            rows, across = (self.size.height - 3) // 2, 2 if self.size.width >= SIDE_BY_SIDE else 1
        else:
            rows, across = self.size.height - 4, 1
        observed = {name for name, track in self.board.tracks.items() if track.observed}
        most = min(panel.fits(rows, across), SHOWN)
        names = self.chosen or choose(self.channels, observed, most)
        by_name = {channel.name: channel for channel in self.channels}
        shown = [by_name[name] for name in names if name in by_name]
        await panel.lay_out(shown, rows, across, fill=not narrow)

    @on(StripView.Resized)
    def _strip_resized(self) -> None:
        self.query_one(LivePanel).show(self.board)

    def _set_window(self, seconds: int) -> None:
        panel = self.query_one(LivePanel)
        panel.window = seconds
        panel.caption()
        panel.show(self.board)

    # The prompt

    @on(Prompt.Candidates)
    def _candidates(self, message: Prompt.Candidates) -> None:
        hint = self.query_one("#hint", Static)
        hint.display = bool(message.words)
        hint.update("  ".join(message.words))

    @on(Prompt.Entered)
    async def _entered(self, message: Prompt.Entered) -> None:
        await self.submit(message.line)

    async def submit(self, line: str) -> None:
        """Run one line as if it had been typed."""
        verb, *names = line.removeprefix("jepa ").split()
        if verb in ("quit", "exit"):
            self.exit(0)
        elif verb == "clear":
            await self.action_clear()
        elif verb == "watch" and names_channels_alone(names):
            await self._watch(line, names)
        else:
            block = await self._say(line, "...", kind="waiting")
            width = self.query_one("#transcript").content_size.width
            # A daemon thread: a service that hangs must not keep the shell from leaving.
            threading.Thread(target=self._answer, args=(line, block, width), daemon=True).start()

    def _answer(self, line: str, block: Block, width: int) -> None:
        try:
            answer, refused = self._run_line(self._client, line, width), False
        except JepaError as error:
            answer, refused = shown(str(error)), True
        except Exception as error:  # a verb's bug is one wrong answer, not the end of the shell
            answer, refused = f"This verb failed: {type(error).__name__}: {shown(str(error))}.", True
        self.post_message(Answered(block, answer, refused))

    @on(Answered)
    def _answered(self, message: Answered) -> None:
        if message.block.is_attached:
            message.block.settle(message.answer.rstrip(), "refused" if message.refused else "done")

    async def _watch(self, line: str, names: list[str]) -> None:
        try:
            names = resolve(names, [channel.name for channel in self.channels])
        except JepaError as error:
            await self._say(line, shown(str(error)), "refused")
            return
        self.chosen = names or None
        await self._arrange()
        await self._say(line, f"On the strips: {', '.join(names) or 'the first choice'}.", "done")

    async def _say(self, said: str, answer: str, kind: str) -> Block:
        transcript = self.query_one("#transcript", VerticalScroll)
        block = Block(said, answer, kind)
        await transcript.mount(block)
        for old in list(transcript.children)[:-BLOCKS]:
            await old.remove()
        transcript.anchor()
        return block

    # Keys

    def action_help(self) -> None:
        """Open the help."""
        self.push_screen(HelpScreen())

    def action_channels(self) -> None:
        """Choose channels."""
        if not self.channels:
            return
        observed = {name for name, track in self.board.tracks.items() if track.observed}
        shown = [view.channel.name for view in self.query_one(LivePanel).views]

        async def chosen(names: list[str] | None) -> None:
            if names is not None:
                self.chosen = names
                await self._arrange()

        self.push_screen(ChannelScreen(self.channels, observed, shown), chosen)

    def action_window(self) -> None:
        """Judge the next longer forecast window, and after the longest the shortest."""
        horizons = self.board.horizons
        if horizons:
            place = horizons.index(self.query_one(LivePanel).window)
            self._set_window(horizons[(place + 1) % len(horizons)])

    def action_hold(self) -> None:
        """Hold the picture, or go on; frames are taken all the while."""
        self._held = not self._held
        self._show_health()
        if not self._held:
            self.query_one(LivePanel).show(self.board)

    async def action_clear(self) -> None:
        """Empty the transcript."""
        await self.query_one("#transcript").remove_children()

    def action_page(self, direction: int) -> None:
        """Scroll the transcript by a page."""
        transcript = self.query_one("#transcript", VerticalScroll)
        transcript.scroll_relative(y=direction * max(transcript.size.height - 1, 1), animate=False)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Everything there is to do, for the command palette."""
        yield SystemCommand("Help", "How to read the strips; keys; verbs", self.action_help)
        yield SystemCommand("Channels", "Choose the channels on the strips", self.action_channels)
        yield SystemCommand("Window", "Judge the next forecast window", self.action_window)
        yield SystemCommand("Hold", "Hold the picture, or go on", self.action_hold)
        yield SystemCommand("Clear", "Empty the transcript", self.action_clear)
        for verb in ("status", "doctor", "forecast"):
            yield SystemCommand(verb, f"Run the verb {verb}", lambda verb=verb: self.submit(verb))
        yield SystemCommand("Theme", "Other colours", self.action_change_theme)
        yield SystemCommand("Leave", "Leave the shell", self.action_quit)
