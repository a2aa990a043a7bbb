# SPDX-License-Identifier: Apache-2.0
"""The choice of the channels on the strips."""

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import SelectionList, Static
from textual.widgets.selection_list import Selection

from jepa.service.api import ChannelInfo
from jepa.shell.channel_names import label
from jepa.text import shown


class ChannelScreen(ModalScreen[list[str] | None]):
    """Choose the channels on the strips; answers with names, or None when nothing shall change."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,f2", "cancel", "Back"),
        Binding("enter", "accept", "Show these", priority=True),
    ]

    def __init__(self, channels: Sequence[ChannelInfo], observed: set[str], shown: Sequence[str]) -> None:
        super().__init__()
        self._channels = channels
        self._observed = observed
        self._shown = shown

    def compose(self) -> ComposeResult:
        """A list with a mark for each channel; those not observed here say so."""
        with Vertical(classes="dialog"):
            yield Static("Channels on the strips", classes="dialog-title", markup=False)
            yield SelectionList[str](
                *(
                    Selection(self._line(channel), channel.name, channel.name in self._shown)
                    for channel in sorted(self._channels, key=self._order)
                ),
                compact=True,
            )
            yield Static(
                "Space marks, Enter shows, Esc leaves as it was", classes="dialog-keys", markup=False
            )

    def _order(self, channel: ChannelInfo) -> tuple[bool, bool]:
        return (channel.name not in self._shown, channel.name not in self._observed)

    def _line(self, channel: ChannelInfo) -> Content:
        absent = "" if channel.name in self._observed else "  (not observed here)"
        short = label(channel.name)
        also = f"  {short}" if not channel.name.endswith(short) else ""
        return Content(shown(f"{channel.name}{also}{absent}"))  # and no markup

    def action_accept(self) -> None:
        """Answer with the marked channels, in the schema's order; none marked changes nothing."""
        marked = set(self.query_one(SelectionList).selected)
        chosen = [name for name in self._shown if name in marked]
        chosen += [channel.name for channel in self._channels if channel.name in marked - set(chosen)]
        self.dismiss(chosen or None)

    def action_cancel(self) -> None:
        """Leave everything as it was."""
        self.dismiss(None)
