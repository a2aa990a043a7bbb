# SPDX-License-Identifier: Apache-2.0
"""The full-screen shell: its keys, the screens over the main one, and the command palette."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import ClassVar, Final

from textual import on
from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.screen import Screen
from textual.widget import Widget

from jepa.shell.processes import memory_mib
from jepa.shell.tui import feed
from jepa.shell.tui.main_app import MainApp

REPORTS: Final[Mapping[str, tuple[str, str, Mapping[str, str]]]] = {
    "Packs": ("The models that are here", "packs list", {"v": "packs verify"}),
    "Autonomy": (
        "How far faults are repaired by themselves",
        "autonomy",
        {"1": "autonomy off", "2": "autonomy advise", "3": "autonomy ask", "4": "autonomy auto"},
    ),
    "Policy": ("The rules by which changes are allowed, asked about or refused", "policy show", {}),
    "Today": ("What jepa did and brought today, and what it cost", "today", {}),
    "Doctor": ("Every check, and what to do about it", "doctor", {}),
    "Tasks": ("What stands, and how it fares", "tasks", {}),
    "Alerts": ("What alerts came to on this machine", "alerts list", {}),
}
"""Screens that are what a verb says: heading, line, and the lines that keys put on the prompt."""

MAIN_ALONE: Final = frozenset(
    (
        "channels",
        "clear",
        "events",
        "help",
        "history",
        "hold",
        "jump",
        "page",
        "processes",
        "replay",
        "report",
        "search",
        "take_back",
        "window",
    )
)
"""Actions of the main screen."""


class ShellApp(MainApp):
    """The main screen with everything that can be reached from it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f1", "help", "Help"),
        Binding("f2", "channels", "Channels"),
        Binding("f3", "window", "Window"),
        Binding("f4", "hold", "Hold"),
        Binding("f5", "processes", "Runs"),
        Binding("f6", "events", "Events"),
        Binding("f7", "history", "Changes"),
        Binding("f8", "take_back", "Take back"),
        Binding("f9", "replay", "Replay"),
        Binding("ctrl+o", "jump", "Jump", show=False),
        Binding("ctrl+r", "search", "Search", show=False),
        Binding("ctrl+l", "clear", "Clear", show=False),
        Binding("pageup", "page(-1)", "Up", show=False),
        Binding("pagedown", "page(1)", "Down", show=False),
        Binding("ctrl+q", "quit", "Leave", priority=True, show=False),
    ]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What is on the main screen can be done there alone."""
        return action not in MAIN_ALONE or not self.screen_stack or self.screen is self._main

    @on(feed.ProcessesRead)
    @on(feed.StandingRead)
    @on(feed.EventsRead)
    @on(feed.EventsArrived)
    def _also_for_the_screen_over_it(self, message: Message) -> None:
        if self.screen_stack and self.screen is not self._main:  # none is left while the shell is being left
            self.screen.post_message(message)

    # Screens, whose modules are loaded when they are first opened: not before the shell is there

    def action_help(self) -> None:
        """Open the help."""
        from jepa.shell.tui.screens.help import HelpScreen

        self._open(HelpScreen())

    def action_processes(self) -> None:
        """Everything that runs."""
        from jepa.shell.tui.screens.processes import ProcessScreen

        self._open(ProcessScreen(self.uses, memory_mib()))

    def action_events(self) -> None:
        """Everything that happened."""
        from jepa.shell.tui.screens.events import EventsScreen

        self._open(EventsScreen(self.happened))
        self._feed.read_events()

    def action_history(self) -> None:
        """Everything that was changed."""
        from jepa.shell.tui.screens.history import HistoryScreen

        self._open(HistoryScreen(self.changes))
        self._feed.look()

    def action_report(self, name: str) -> None:
        """What a verb says, on a screen of its own."""
        from jepa.shell.tui.screens.report import ReportScreen

        self._open(ReportScreen(*REPORTS[name], self._run_line, self._client))

    def action_replay(self) -> None:
        """The last hour again, of the channels on the strips."""
        from jepa.shell.tui.screens.replay import ReplayScreen

        channels = [view.channel for view in self._live.views]
        if not channels:
            self.notify("No channel is on the strips.")
        else:
            self._open(ReplayScreen(self.board, channels, self.happened, self._live.window, self._glyphs))

    def action_search(self) -> None:
        """Search the lines that were entered."""
        from jepa.shell.tui.screens.search import SearchScreen

        self._open(SearchScreen(self._prompt.history))

    def action_channels(self) -> None:
        """Choose channels."""
        from jepa.shell.tui.screens.channels import ChannelScreen

        if not self.channels:
            return
        shown = [view.channel.name for view in self._live.views]

        async def chosen(names: list[str] | None) -> None:
            if names is not None:
                self.chosen = names
                await self._arrange()
                self._feed.look()

        self.push_screen(ChannelScreen(self.channels, self.board.observed, shown), chosen)

    def action_jump(self) -> None:
        """Put a letter on everything that can be gone to."""
        from jepa.shell.tui.screens.jump import JumpScreen

        ways = self._ways()

        def gone(letter: str | None) -> None:
            if letter is not None:
                ways[letter][1]()

        places = {letter: place for letter, (place, _) in ways.items()}
        self.push_screen(JumpScreen(places, self._main), gone)

    def _ways(self) -> dict[str, tuple[Widget, Callable[[], object]]]:
        """By letter what it stands on and what goes there."""
        ways: dict[str, tuple[Widget, Callable[[], object]]] = {"p": (self._prompt, self._prompt.focus)}
        if self._runs.display:
            ways["r"] = (self._runs, self.action_processes)
        if self._tasks.display:
            ways["t"] = (self._tasks, self.action_history)
        if self._live.display:
            ways["s"] = (self._live, self.action_channels)
        ways["e"] = (self._transcript, self.action_events)
        letters = iter("123456789")
        for card in reversed(self._transcript.cards):
            letter = next(letters, None)
            if letter is not None and card.region.area:
                ways[letter] = (card, card.focus)
        return ways

    def _open(self, screen: Screen[str | None] | Screen[None]) -> None:
        """Put ``screen`` over the main one; a line that it answers with goes to the prompt."""

        def closed(line: str | None) -> None:
            if line is not None:
                self._prompt.put(line)

        self.push_screen(screen, closed)

    # Keys of the main screen

    def action_window(self) -> None:
        """Judge the next longer forecast window, and after the longest the shortest."""
        horizons = self.board.horizons
        if horizons:
            place = horizons.index(self._live.window)
            self._set_window(horizons[(place + 1) % len(horizons)])

    def action_hold(self) -> None:
        """Hold the picture, or go on; frames are taken all the while."""
        self._health = replace(self._health, held=not self._health.held)
        self._show_health()
        if not self._health.held:
            self._live.show(self.board)

    def action_take_back(self) -> None:
        """Put the line that takes back what was done last on the prompt, for Enter."""
        wanted = self._tasks.takes_back
        if wanted:
            self._prompt.put(wanted)
        else:
            self.notify("Nothing stands changed.")

    async def action_clear(self) -> None:
        """Empty the transcript."""
        await self._transcript.remove_children()

    def action_page(self, direction: int) -> None:
        """Scroll the transcript by a page."""
        self._transcript.page(direction)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Everything there is to do, for the command palette."""
        yield SystemCommand("Help", "How to read the screen; keys; verbs", self.action_help)
        yield SystemCommand("Runs", "Every process and unit, what matters first", self.action_processes)
        yield SystemCommand("Events", "What happened, the newest first", self.action_events)
        yield SystemCommand("Changes", "What was changed, and what came of it", self.action_history)
        yield SystemCommand("Replay", "The last hour again, forecast against what came", self.action_replay)
        yield SystemCommand("Take back", "Take back what was done last", self.action_take_back)
        yield SystemCommand("Channels", "Choose the channels on the strips", self.action_channels)
        yield SystemCommand("Window", "Judge the next forecast window", self.action_window)
        yield SystemCommand("Hold", "Hold the picture, or go on", self.action_hold)
        yield SystemCommand("Search", "Search the lines that were entered", self.action_search)
        yield SystemCommand("Jump", "A letter on everything that can be gone to", self.action_jump)
        for name, (title, _, _) in REPORTS.items():
            yield SystemCommand(name, title, lambda name=name: self.action_report(name))
        for verb in ("status", "forecast", "explain"):
            yield SystemCommand(verb, f"Run the verb {verb}", lambda verb=verb: self.submit(verb))
        yield SystemCommand("Clear", "Empty the transcript", self.action_clear)
        yield SystemCommand("Theme", "Dark, light, sixteen colours, and others", self.action_change_theme)
        yield SystemCommand("Leave", "Leave the shell", self.action_quit)
