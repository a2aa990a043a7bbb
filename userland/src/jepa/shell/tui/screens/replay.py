# SPDX-License-Identifier: Apache-2.0
"""The last hour again: strips as they stood at any moment, with what was forecast there and what came."""

from collections.abc import Sequence
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Footer

from jepa.service.api import ChannelInfo, EventOut
from jepa.shell.tui.draw import Glyphs
from jepa.shell.tui.model import happenings, replay
from jepa.shell.tui.model.arrangement import TWO_ACROSS
from jepa.shell.tui.model.line import Span, line
from jepa.shell.tui.series import Board
from jepa.shell.tui.widgets.line_view import LineView
from jepa.shell.tui.widgets.live import AXIS_ROWS, LEAST_ROWS, LivePanel
from jepa.shell.tui.widgets.strip import StripView

STEP_S = 0.2
"""Between two seconds while it plays: five times as fast as it was."""
AROUND_S = 60
"""Events this near are named."""
EVENTS = 3
WITH_OUTCOMES = 24
"""Rows of a screen that says in numbers, too, what came."""
WITH_EVENTS = 14


class Scrubber(LineView):
    """The bar; a click on it goes there."""

    class Put(Message):
        """The place that was clicked, as a share of the width."""

        def __init__(self, share: float) -> None:
            super().__init__()
            self.share = share

    def on_click(self, event: events.Click) -> None:
        """Go there."""
        self.post_message(self.Put(event.x / max(self.content_size.width - 1, 1)))


class ReplayScreen(Screen[None]):
    """Shows what the shell has kept, and goes on keeping meanwhile."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,f9", "leave", "Back"),
        Binding("left", "move(-1)", "1 s"),
        Binding("right", "move(1)", "1 s", show=False),
        Binding("down,pagedown", "move(-30)", "30 s", show=False),
        Binding("up,pageup", "move(30)", "30 s"),
        Binding("home", "end(0)", "First"),
        Binding("end", "end(1)", "Newest"),
        Binding("space", "play", "Play"),
        Binding("n", "event(1)", "Next event"),
        Binding("b", "event(-1)", "Event before"),
    ]

    def __init__(
        self,
        board: Board,
        channels: Sequence[ChannelInfo],
        happened: Sequence[EventOut],
        window: int,
        glyphs: Glyphs,
    ) -> None:
        super().__init__()
        self._board = board
        self._channels = channels
        self._happened = happened
        self._window = window
        self._glyphs = glyphs
        self._timer: Timer | None = None
        self.position = replay.whole(board, [channel.name for channel in channels])
        if self.position is not None:
            # Where something has come of what was forecast.
            self.position = self.position.moved(-replay.WINDOW_S)

    def compose(self) -> ComposeResult:
        """Heading, strips, what came of the forecasts, events nearby, the bar, the keys."""
        yield LineView(id="heading")
        yield LivePanel(self._glyphs)
        yield LineView(id="outcomes")
        yield LineView(id="nearby")
        yield Scrubber(id="scrubber")
        yield Footer(compact=True)

    def on_mount(self) -> None:
        """Lay the strips out."""
        self.query_one(LivePanel).window = self._window
        self.call_later(self._arrange)

    def on_resize(self) -> None:
        """Lay them out anew, once the size is taken."""
        self.call_later(self._arrange)

    async def _arrange(self) -> None:
        width, height = self.app.size
        across = 2 if width >= TWO_ACROSS else 1
        # Heading, bar and keys take three rows; each part below the strips has one above it.
        outcomes = len(self._channels) + 2 if height >= WITH_OUTCOMES else 0
        nearby = EVENTS + 1 if height >= WITH_EVENTS else 0
        self.query_one("#outcomes").display = outcomes > 0
        self.query_one("#nearby").display = nearby > 0
        rows = max(height - 3 - outcomes - nearby, LEAST_ROWS + AXIS_ROWS)
        panel = self.query_one(LivePanel)
        await panel.lay_out(self._channels, rows, across, fill=True)
        self._show()

    @on(StripView.Resized)
    def _strip_resized(self) -> None:
        self._show()

    def _show(self) -> None:
        position, unicode = self.position, self._glyphs is not Glyphs.ASCII
        heading = self.query_one("#heading", LineView)
        if position is None:
            heading.show([line(Span("REPLAY  ", "strong"), "nothing is kept yet")])
            return
        playing = self._timer is not None
        heading.show([replay.heading(position, self._board.time_ns(position.at), playing)])
        self.query_one(LivePanel).show(self._board, position.at)
        ellipsis = "…" if unicode else "."
        self.query_one("#outcomes", LineView).show(
            replay.outcomes(self._board, self._channels, position.at, ellipsis)
        )
        near = [event for event in self._happened if abs(self._second(event) - position.at) <= AROUND_S]
        near.sort(key=lambda event: abs(self._second(event) - position.at))
        nearest = sorted(near[:EVENTS], key=lambda event: event.ts_ns)
        self.query_one("#nearby", LineView).show([happenings.event(event) for event in nearest])
        bar = self.query_one(Scrubber)
        width = bar.content_size.width or self.app.size.width
        marks = [self._second(event) for event in self._happened]
        bar.show([replay.scrubber(position, marks, width, unicode)])

    def _second(self, event: EventOut) -> int:
        """The second of the strips in which an event happened."""
        return self._board.second_of(event.ts_ns)

    # Keys

    def action_move(self, seconds: int) -> None:
        """Later or earlier; whoever moves by hand stops the play."""
        self._stop()
        self._to(None if self.position is None else self.position.moved(seconds))

    def action_end(self, share: int) -> None:
        """To the first or the newest moment."""
        self._stop()
        self._to(None if self.position is None else self.position.put(share))

    @on(Scrubber.Put)
    def _put(self, message: Scrubber.Put) -> None:
        self._stop()
        self._to(None if self.position is None else self.position.put(message.share))

    def action_event(self, direction: int) -> None:
        """To the next event, or the one before."""
        self._stop()
        if self.position is None:
            return
        at = self.position.at
        seconds = sorted(self._second(event) for event in self._happened)
        ahead = [each for each in seconds if (each - at) * direction > 0]
        if ahead:
            self._to(self.position.moved((ahead[0] if direction > 0 else ahead[-1]) - at))

    def action_play(self) -> None:
        """Play from here, or stop."""
        if self._timer is None:
            self._timer = self.set_interval(STEP_S, self._on)
        else:
            self._stop()
        self._show()

    def _on(self) -> None:
        if self.position is None or self.position.at == self.position.last:
            self._stop()
        self._to(None if self.position is None else self.position.moved(1))

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None

    def _to(self, position: replay.Position | None) -> None:
        self.position = position
        self._show()

    def action_leave(self) -> None:
        """Back to now."""
        self._stop()
        self.dismiss(None)
