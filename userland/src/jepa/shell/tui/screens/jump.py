# SPDX-License-Identifier: Apache-2.0
"""Jump mode: a letter on everything that can be gone to; pressing it goes there."""

from collections.abc import Mapping

from textual.app import ComposeResult
from textual.events import Click, Key
from textual.geometry import Offset
from textual.screen import ModalScreen
from textual.widgets import Label


class JumpScreen(ModalScreen[str | None]):
    """Answers with the letter, or None."""

    def __init__(self, places: Mapping[str, Offset]) -> None:
        """``places`` has where each letter stands."""
        super().__init__()
        self._places = places

    def compose(self) -> ComposeResult:
        """The letters."""
        for letter, place in self._places.items():
            label = Label(f" {letter} ", classes="jump-letter", markup=False)
            label.styles.offset = (place.x, place.y)
            yield label

    def on_key(self, event: Key) -> None:
        """Any key ends it; one of the letters chooses."""
        event.stop()
        event.prevent_default()
        self.dismiss(event.character if event.character in self._places else None)

    def on_click(self, event: Click) -> None:
        """A click ends it, too."""
        event.stop()
        self.dismiss(None)
