# SPDX-License-Identifier: Apache-2.0
"""Searches the lines that were entered: all words typed must occur, in any order."""

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static

from jepa.text import shown


def matching(history: Sequence[str], typed: str) -> list[str]:
    """Lines that hold every word of ``typed``, the newest first, each once."""
    words = typed.lower().split()
    return [line for line in dict.fromkeys(reversed(history)) if all(word in line.lower() for word in words)]


class SearchScreen(ModalScreen[str | None]):
    """Answers with the line that was chosen, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,ctrl+c", "leave", "Back"),
        Binding("up", "move(-1)", show=False, priority=True),
        Binding("down,ctrl+r", "move(1)", show=False, priority=True),
    ]

    def __init__(self, history: Sequence[str]) -> None:
        super().__init__()
        self._history = history
        self._found: list[str] = []

    def compose(self) -> ComposeResult:
        """What is typed over what is found."""
        with Vertical(classes="dialog"):
            yield Static("Earlier lines", classes="dialog-title", markup=False)
            yield Input(placeholder="words of the line", compact=True)
            yield OptionList(compact=True)
            yield Static("Enter takes the line, Esc goes back", classes="dialog-keys", markup=False)

    def on_mount(self) -> None:
        """Show all of them."""
        self.query_one(OptionList).can_focus = False
        self.query_one(Input).focus()
        self._fill("")

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self._fill(event.value)

    def _fill(self, typed: str) -> None:
        self._found = matching(self._history, typed)
        options = self.query_one(OptionList)
        options.clear_options()
        options.add_options([Content(shown(each)) for each in self._found])
        options.highlighted = 0 if self._found else None

    def action_move(self, step: int) -> None:
        """To another of the lines found."""
        options = self.query_one(OptionList)
        if self._found:
            options.highlighted = ((options.highlighted or 0) + step) % len(self._found)

    @on(Input.Submitted)
    def _entered(self) -> None:
        place = self.query_one(OptionList).highlighted
        self.dismiss(self._found[place] if place is not None else None)

    @on(OptionList.OptionSelected)
    def _clicked(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._found[event.option_index])

    def action_leave(self) -> None:
        """Leave with nothing."""
        self.dismiss(None)
