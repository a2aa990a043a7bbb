# SPDX-License-Identifier: Apache-2.0
"""What happened: the newest events, the latest first."""

import time
from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.widgets import DataTable

from jepa.service.api import EventOut
from jepa.shell.tui import feed
from jepa.shell.tui.model.line import Line, Span, line
from jepa.shell.tui.screens.table import Cells, TableScreen


class EventsScreen(TableScreen):
    """Events of the kernel, the service manager, udev, devices and of jepa itself."""

    HEADS = ("TIME", "SEVERITY", "EVENT", "OF", "DETAIL")
    BINDINGS: ClassVar[list[BindingType]] = [Binding("x,enter", "explain", "Explain")]

    def __init__(self, events: Sequence[EventOut]) -> None:
        super().__init__()
        self._events: dict[int, EventOut] = {}
        self.take(events)

    def take(self, events: Sequence[EventOut]) -> None:
        """Show these, too."""
        self._events.update({event.sequence: event for event in events})
        self.fill()

    def heading(self) -> Line:
        """How many there are."""
        return line(Span("WHAT HAPPENED  ", "strong"), f"{len(self._events)} events, the newest first")

    def found(self) -> Sequence[tuple[str, Cells]]:
        """The newest first."""
        newest = sorted(self._events.values(), key=lambda event: event.sequence, reverse=True)
        return [
            (
                str(event.sequence),
                (
                    time.strftime("%m-%d %H:%M:%S", time.localtime(event.ts_ns / 1e9)),
                    event.severity,
                    event.kind.replace("_", " "),
                    event.unit or "",
                    event.detail or "",
                ),
            )
            for event in newest
        ]

    @on(feed.EventsRead)
    @on(feed.EventsArrived)
    def _fresh(self, message: feed.EventsRead | feed.EventsArrived) -> None:
        self.take(message.events)

    @on(DataTable.RowSelected)
    def _row(self) -> None:
        self.action_explain()

    def action_explain(self) -> None:
        """Leave with the question about what it happened to."""
        event = self._events.get(int(self.chosen or 0))
        if event is not None:
            unit = event.unit or ""
            about = f" {unit}" if unit.endswith((".service", ".scope")) else ""
            self.dismiss(f"explain{about}")
