# SPDX-License-Identifier: Apache-2.0
"""A screen that is one table with heads, a cursor that stays on its row, and a filter."""

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import DataTable, Footer, Input

from jepa.shell.tui.model.line import Line
from jepa.shell.tui.widgets.line_view import LineView
from jepa.text import shown

Cells = tuple[str, ...]


class TableScreen(Screen[str | None]):
    """Answers with a line for the prompt, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "leave", "Back", priority=True),
        Binding("slash", "filter", "Filter"),
    ]
    HEADS: ClassVar[tuple[str, ...]] = ()
    RIGHT: ClassVar[frozenset[str]] = frozenset()
    """Heads of columns that are aligned on the right."""
    EMPTY: ClassVar[str] = "Nothing yet."

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[tuple[str, Cells]] = []
        """The rows shown, each with what it stands for."""
        self.wanted = ""
        """What a row must contain to be shown."""
        self._has_heads = False

    def compose(self) -> ComposeResult:
        """A line of heading, the table, the filter, the keys."""
        yield LineView(id="heading")
        yield DataTable[Text](cursor_type="row", zebra_stripes=False)
        yield Input(placeholder="show only rows with ...", id="filter", compact=True)
        yield Footer(compact=True)

    def on_mount(self) -> None:
        """Write the heads and what is known."""
        table = self.table
        for head in self.HEADS:
            table.add_column(Text(head, justify="right" if head in self.RIGHT else "left"), key=head)
        self.query_one("#filter").display = False
        self._has_heads = True
        self.fill()
        table.focus()

    @property
    def table(self) -> "DataTable[Text]":
        """The table."""
        return self.query_one(DataTable)

    def heading(self) -> Line:
        """What stands over the table."""
        raise NotImplementedError

    def found(self) -> Sequence[tuple[str, Cells]]:
        """Every row there is, in order, each with what it stands for."""
        raise NotImplementedError

    def fill(self, top: bool = False) -> None:
        """Show what there is now; the cursor stays on its row, or with ``top`` goes to the first."""
        if not self._has_heads:
            return
        self.query_one("#heading", LineView).show([self.heading()])
        rows = [row for row in self.found() if self.wanted in " ".join(row[1]).lower()]
        if rows == self.rows:
            return
        on_it, at = (None, 0.0) if top else (self.chosen, self.table.scroll_y)
        self.rows = rows
        self.table.clear()
        for _, cells in rows:
            self.table.add_row(
                *(self._cell(head, cell) for head, cell in zip(self.HEADS, cells, strict=True))
            )
        place = next((place for place, (key, _) in enumerate(rows) if key == on_it), 0)
        self.table.move_cursor(row=place, scroll=False)
        self.table.scroll_to(y=at, animate=False)

    def _cell(self, head: str, cell: str) -> Text:
        # As a Text it is taken as it is; a str would be read as markup.
        return Text(shown(cell), justify="right" if head in self.RIGHT else "left", no_wrap=True)

    @property
    def chosen(self) -> str | None:
        """What the row under the cursor stands for."""
        place = self.table.cursor_row
        return self.rows[place][0] if 0 <= place < len(self.rows) else None

    # Keys

    def action_filter(self) -> None:
        """Type what rows must contain."""
        field = self.query_one("#filter", Input)
        field.display = True
        field.focus()

    @on(Input.Changed, "#filter")
    def _narrow(self, event: Input.Changed) -> None:
        event.stop()
        self.wanted = event.value.strip().lower()
        self.fill()

    @on(Input.Submitted, "#filter")
    def _narrowed(self, event: Input.Submitted) -> None:
        event.stop()
        self.table.focus()

    def action_leave(self) -> None:
        """Take the filter back, and with none leave the screen."""
        field = self.query_one("#filter", Input)
        if field.display:
            field.value = ""
            field.display = False
            self.table.focus()
        else:
            self.dismiss(None)
