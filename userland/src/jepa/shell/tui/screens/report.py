# SPDX-License-Identifier: Apache-2.0
"""What a verb says, on a screen of its own, with keys that put other lines on the prompt."""

from collections.abc import Mapping
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widgets import Footer

from jepa.service.api import Client
from jepa.shell.tui import turns
from jepa.shell.tui.model.answer_text import answer_lines
from jepa.shell.tui.model.line import Line, Span, line
from jepa.shell.tui.widgets.line_view import LineView


class ReportScreen(Screen[str | None]):
    """Answers with a line for the prompt, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "leave", "Back"),
        Binding("r", "again", "Read again"),
    ]

    def __init__(
        self, title: str, said: str, keys: Mapping[str, str], run_line: turns.RunLine, client: Client
    ) -> None:
        """``keys`` has for a key the line that it puts on the prompt."""
        super().__init__()
        self._title = title
        self._said = said
        self._keys = keys
        self._run_line = run_line
        self._client = client

    def compose(self) -> ComposeResult:
        """Heading, text, what the keys do."""
        yield LineView(id="heading")
        with VerticalScroll():
            yield LineView(id="report")
        yield LineView(id="choices")
        yield Footer(compact=True)

    def on_mount(self) -> None:
        """Ask."""
        self.query_one("#heading", LineView).show([line(Span(self._title, "strong"))])
        choices: list[Span] = []
        for key, said in self._keys.items():
            choices += [Span(f"[{key}] ", "key"), Span(f"{said}   ")]
        self.query_one("#choices", LineView).show([line(*choices)] if choices else [])
        self.query_one(VerticalScroll).focus()
        self.action_again()

    @on(turns.Wrote)
    def _wrote(self, message: turns.Wrote) -> None:
        message.stop()
        self._show(answer_lines(message.text))

    def _show(self, lines: list[Line]) -> None:
        self.query_one("#report", LineView).show(lines)

    def action_again(self) -> None:
        """Run the verb; what it says replaces what stands there."""
        width = max(self.app.size.width - 4, 20)
        turns.Turn(self._said, self.post_message).start(self._run_line, self._client, width)

    def on_key(self, event: events.Key) -> None:
        """Put a line on the prompt: there it is read before it is entered."""
        wanted = self._keys.get(event.character or "")
        if wanted is not None:
            event.stop()
            self.dismiss(wanted)

    def action_leave(self) -> None:
        """Leave with nothing."""
        self.dismiss(None)
