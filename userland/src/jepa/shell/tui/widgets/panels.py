# SPDX-License-Identifier: Apache-2.0
"""The panels beside the transcript: what runs, and what stands changed."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from textual.message import Message
from textual.widget import Widget

from jepa.shell.processes import Use
from jepa.shell.tui.draw import Glyphs
from jepa.shell.tui.model import consumers, tasks
from jepa.shell.tui.widgets.line_view import LineView


class RunsPanel(LineView):
    """What uses the machine most, as many rows of it as there is room for."""

    def __init__(self, memory_mib: float, glyphs: Glyphs) -> None:
        super().__init__(id="runs")
        self._memory_mib = memory_mib
        self._ellipsis = "." if glyphs is Glyphs.ASCII else "…"
        self._uses: Sequence[Use] = ()

    def take(self, uses: Sequence[Use]) -> None:
        """Show the newest look."""
        self._uses = uses
        self._fill()

    def on_resize(self) -> None:
        """Fill the room there is."""
        self._fill()

    def _fill(self) -> None:
        width, rows = self.content_size
        if width and self._uses:
            self.show(consumers.panel(self._uses, width, rows, self._memory_mib, self._ellipsis))


class TasksPanel(LineView):
    """What stands changed, and how it fares."""

    class Resized(Message):
        """The panel needs another number of rows."""

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(id="tasks")
        self._unicode = glyphs is not Glyphs.ASCII
        self._tasks: Sequence[Mapping[str, Any]] = ()
        self._changes: Sequence[Mapping[str, Any]] = ()
        self._units: Mapping[str, str] = {}

    def take(
        self,
        standing: Sequence[Mapping[str, Any]],
        changes: Sequence[Mapping[str, Any]],
        units: Mapping[str, str],
    ) -> None:
        """Show ``standing`` tasks and ``changes``, the newest first; ``units`` by channel."""
        self._tasks, self._changes, self._units = standing, changes, units
        rows = len(self.lines)
        self.fill()
        if len(self.lines) != rows:
            self.post_message(self.Resized())

    def on_resize(self) -> None:
        """Fill the room there is."""
        self.fill()

    def fill(self) -> None:
        """Lay out what is known for the width there is."""
        # Before it is shown for the first time it has no width of its own.
        parent = self.parent
        beside = parent.content_size.width if isinstance(parent, Widget) else 0
        width = self.content_size.width or beside
        if width:
            found = tasks.panel(
                self._tasks, self._changes, self._units, time.time_ns(), width, 12, self._unicode
            )
            self.show(found)

    @property
    def takes_back(self) -> str:
        """The line that takes back what was done last; empty where nothing stands."""
        return tasks.newest(self._tasks, self._changes)
