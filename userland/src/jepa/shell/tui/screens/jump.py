# SPDX-License-Identifier: Apache-2.0
"""Jump mode: a letter on everything that can be gone to; pressing it goes there."""

from collections.abc import Mapping

from textual.app import ComposeResult
from textual.events import Click, Key
from textual.screen import ModalScreen, Screen
from textual.widget import Widget
from textual.widgets import Label


class JumpScreen(ModalScreen[str | None]):
    """Answers with the letter, or None."""

    def __init__(self, places: Mapping[str, Widget], under: Screen[object]) -> None:
        """``places`` has what each letter stands on, all of it on the screen ``under`` this one."""
        super().__init__()
        self._places = places
        self._under = under

    def compose(self) -> ComposeResult:
        """The letters."""
        for letter in self._places:
            yield Label(f" {letter} ", id=f"letter-{letter}", classes="jump-letter", markup=False)

    def on_mount(self) -> None:
        """Put them where they belong, again and again: what runs gives way to a plan that comes late."""
        self._place()
        self._under.screen_layout_refresh_signal.subscribe(self, lambda _: self._place())

    def _place(self) -> None:
        for letter, widget in self._places.items():
            label = self.query_one(f"#letter-{letter}")
            label.display = widget.display
            label.styles.offset = (widget.region.x, widget.region.y)

    def on_key(self, event: Key) -> None:
        """Any key ends it; one of the letters chooses."""
        event.stop()
        event.prevent_default()
        self.dismiss(event.character if event.character in self._places else None)

    def on_click(self, event: Click) -> None:
        """A click ends it, too."""
        event.stop()
        self.dismiss(None)
