# SPDX-License-Identifier: Apache-2.0
"""What runs: every process or unit with what it uses, what matters first."""

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.widgets import DataTable

from jepa.shell.processes import Use, by_unit
from jepa.shell.tui import feed
from jepa.shell.tui.model.consumers import HEADS, ORDERS, Order, ordered, row
from jepa.shell.tui.model.line import Line, Span, line
from jepa.shell.tui.screens.table import Cells, TableScreen

MOST = 300
"""Rows: nobody reads more, and the table must be there at once."""


class ProcessScreen(TableScreen):
    """As people know it from top: the letters sort."""

    HEADS = HEADS
    RIGHT = frozenset(("PID", "CPU %", "MEMORY", "READ/s", "WRITE/s"))
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("u", "units", "Units"),
        Binding("w", "sort('what matters')", "What matters"),
        Binding("c,P", "sort('cpu')", "CPU"),
        Binding("m,M", "sort('memory')", "Memory"),
        Binding("d", "sort('disk')", "Disk"),
        Binding("n,N", "sort('name')", "Name"),
        Binding("x,enter", "explain", "Explain"),
        Binding("l", "limit", "Limit"),
    ]

    def __init__(self, uses: Sequence[Use], memory_mib: float) -> None:
        super().__init__()
        self._uses = uses
        self._memory_mib = memory_mib
        self._order: Order = "what matters"
        self._units = False

    def take(self, uses: Sequence[Use]) -> None:
        """Show a newer look."""
        self._uses = uses
        self.fill()

    def heading(self) -> Line:
        """What is counted, and the order."""
        what = "units" if self._units else "processes"
        cpu = sum(use.cpu for use in self._uses)
        many = len(by_unit(self._uses)) if self._units else len(self._uses)
        return line(
            Span("WHAT RUNS  ", "strong"),
            f"{many} {what}, {cpu:.0f} % of a core",
            Span(f"   by {self._order}", "muted"),
        )

    def found(self) -> Sequence[tuple[str, Cells]]:
        """The rows in the order that was chosen."""
        uses = by_unit(self._uses) if self._units else self._uses
        first = ordered(uses, self._order, self._memory_mib)[:MOST]
        return [(f"{use.name}\n{use.unit}\n{use.pid}", row(use).cells) for use in first]

    def action_units(self) -> None:
        """Units in place of processes, or processes again."""
        self._units = not self._units
        self.fill(top=True)

    def action_sort(self, order: str) -> None:
        """Another order."""
        self._order = next(each for each in ORDERS if each == order)
        self.fill(top=True)

    @on(feed.ProcessesRead)
    def _fresh(self, message: feed.ProcessesRead) -> None:
        self.take(message.uses)

    @on(DataTable.HeaderSelected)
    def _head(self, event: "DataTable.HeaderSelected") -> None:
        orders: dict[str, Order] = {
            "NAME": "name",
            "CPU %": "cpu",
            "MEMORY": "memory",
            "READ/s": "disk",
            "WRITE/s": "disk",
        }
        self.action_sort(orders.get(str(event.label), "what matters"))

    @on(DataTable.RowSelected)
    def _row(self) -> None:
        self.action_explain()

    def action_explain(self) -> None:
        """Leave with the question why it is as it is."""
        if self.chosen is not None:
            _, unit, pid = self.chosen.split("\n")
            self.dismiss(f"explain {pid if pid != '0' else unit}")

    def action_limit(self) -> None:
        """Leave with a wish about its unit, to be changed and entered."""
        if self.chosen is not None:
            name, unit, _ = self.chosen.split("\n")
            self.dismiss(f"limit {unit.removesuffix('.service') or name} to 50 % cpu for 1 h")
