# SPDX-License-Identifier: Apache-2.0
"""What was changed, by whom and why, and what came of it, the newest first."""

import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.widgets import DataTable

from jepa.actions.catalogue import catalogue
from jepa.actions.values import shown as shown_value
from jepa.shell.durations import duration
from jepa.shell.tui import feed
from jepa.shell.tui.model.line import Line, Span, line
from jepa.shell.tui.screens.table import Cells, TableScreen


class HistoryScreen(TableScreen):
    """The changes that jepad was told of."""

    HEADS = ("WHEN", "WHAT", "OF", "FROM", "TO", "STATE", "LEFT", "WHY")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("u", "undo", "Undo"),
        Binding("x,enter", "whole", "Everything about it"),
    ]

    def __init__(self, changes: Sequence[Mapping[str, Any]]) -> None:
        super().__init__()
        self._changes = changes

    def take(self, changes: Sequence[Mapping[str, Any]]) -> None:
        """Show these instead."""
        self._changes = changes
        self.fill()

    def heading(self) -> Line:
        """How many there are."""
        many = len(self._changes)
        said = f"{many} changes, the newest first" if many else "nothing"
        return line(Span("WHAT WAS CHANGED  ", "strong"), said)

    def found(self) -> Sequence[tuple[str, Cells]]:
        """The newest first, as the service gives them."""
        return [(change["id"], _cells(change)) for change in self._changes]

    @on(feed.StandingRead)
    def _fresh(self, message: feed.StandingRead) -> None:
        self.take(message.changes)

    @on(DataTable.RowSelected)
    def _row(self) -> None:
        self.action_whole()

    def action_whole(self) -> None:
        """Leave with the line that shows everything about it."""
        if self.chosen is not None:
            self.dismiss(f"history {self.chosen}")

    def action_undo(self) -> None:
        """Leave with the line that takes it back."""
        if self.chosen is not None:
            self.dismiss(f"undo {self.chosen}")


def _cells(change: Mapping[str, Any]) -> Cells:
    kind = catalogue().get(change["action"])
    left = change["left_s"]
    return (
        time.strftime("%m-%d %H:%M:%S", time.localtime(change["ts"] / 1e9)),
        change["action"],
        change["target"],
        shown_value(kind, change["from"]),
        shown_value(kind, change["to"]),
        change["state"],
        "" if left is None else duration(left),
        change["why"] or change["detail"],
    )
