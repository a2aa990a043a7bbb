# SPDX-License-Identifier: Apache-2.0
"""How to read the screen, the keys, the verbs."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

HELP = "\n".join(
    (
        "KEYS",
        "F1   this help",
        "F2   choose channels",
        "F3   next window",
        "F4   hold the picture, and go on",
        "F5   what runs",
        "F6   what happened",
        "F7   what was changed",
        "F8   take back what was done last",
        "F9   replay",
        "^O   jump: a letter on everything that takes keys",
        "Tab  complete; on an empty line to the plan that waits for your decision",
        "Up, Down  earlier lines; ^R searches them",
        "^L   clear the transcript; PgUp and PgDn scroll it",
        "^C   copy what is selected with the mouse, else drop the line",
        "^P   every command",
        "^Q   leave (^D on an empty line)",
        "",
        "WHAT YOU SAY",
        "Plain words are understood or asked back, never guessed: `why is it slow?`, `limit backup to "
        "20 % cpu for 1 h`. The words that were understood are underlined. A wish becomes a plan, which "
        "changes nothing; on the plan `a` applies it, `e` edits the sentence, `x` explains, `d` asks the "
        "guard alone, `c` drops it.",
        "",
        "THE STRIPS",
        "CPU and memory stand first, then what moves most. The bar marks now. Left of it is what happened, "
        "right of it the forecast for the coming minute: the shade runs from the 5th to the 95th "
        "percentile, the line in it is the median. The scale stands beside each strip; it follows what was "
        "seen, and a band that goes far beyond that runs out of the picture.",
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
        "`watch CHANNEL ...` puts those channels on the strips, `watch` alone those that move.",
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
