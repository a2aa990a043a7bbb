# SPDX-License-Identifier: Apache-2.0
"""The two screens over the main one: help, and the choice of channels."""

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import SelectionList, Static
from textual.widgets.selection_list import Selection

from jepa.service.api import ChannelInfo
from jepa.shell.channel_names import label
from jepa.text import shown

HELP = "\n".join(
    (
        "KEYS",
        "F1   this help              F2        choose channels",
        "F3   next window            F4        hold the picture, and go on",
        "Tab  complete               Up, Down  earlier lines",
        "^L   clear the transcript   PgUp/Dn   scroll it",
        "^P   every command          ^Q        leave (^D on an empty line)",
        "",
        "THE STRIPS",
        "The bar marks now. Left of it is what happened, right of it the forecast for the coming "
        "minute: the shade runs from the 5th to the 95th percentile, the line in it is the median.",
        "",
        "As time goes on the shade stays where it was forecast and the values are drawn over it: "
        "green (*) where the band held, red (!) where it did not, grey where nothing had been forecast.",
        "",
        "A forecast speaks of means over a coming window, and F3 chooses the window. Left of now everything "
        "is the mean over that window, against what was forecast when the window began. Right of now, "
        "the point 20 s ahead is the mean over the coming 20 s.",
        "",
        '"in band" counts the forecasts of the last ten minutes that have come due; the band promises nine '
        "of ten. A value up to a tenth of the channel's noise floor outside still counts as inside.",
        "",
        "VERBS",
        "Everything `jepa VERB` does in a terminal works at the prompt too; `help` lists the verbs. "
        "`watch CHANNEL ...` puts those channels on the strips, `watch` alone takes the first choice again.",
    )
)


class HelpScreen(ModalScreen[None]):
    """How to read the strips, the keys, the verbs."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,f1,q,enter", "dismiss", "Back"),
        Binding("down,pagedown,space", "scroll(1)", "Down", show=False),
        Binding("up,pageup", "scroll(-1)", "Up", show=False),
    ]

    def compose(self) -> ComposeResult:
        """One box of text."""
        with Vertical(classes="dialog"):
            yield Static("Help", classes="dialog-title", markup=False)
            with VerticalScroll(can_focus=False):
                yield Static(HELP, markup=False)
            yield Static("Esc goes back", classes="dialog-keys", markup=False)

    def action_scroll(self, direction: int) -> None:
        """Scroll the text."""
        self.query_one(VerticalScroll).scroll_relative(y=direction * 5, animate=False)


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
