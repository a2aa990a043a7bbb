# SPDX-License-Identifier: Apache-2.0
"""What was said and answered, block by block, told apart by their left edge and a faint tint."""

from collections.abc import Sequence
from typing import Final, Literal

from textual import on
from textual.containers import VerticalScroll
from textual.widget import Widget

from jepa.service.api import EventOut
from jepa.shell.tui import turns
from jepa.shell.tui.model import happenings
from jepa.shell.tui.model.answer_text import answer_lines
from jepa.shell.tui.model.line import Line, Span, line, marked
from jepa.shell.tui.widgets.line_view import LineView
from jepa.shell.tui.widgets.plan_card import PlanCard

Kind = Literal["you", "understood", "evidence", "result", "note", "refused"]
KEPT: Final = 200
"""Blocks."""
READABLE: Final = 5
"""Rows in which to read a long answer from its beginning; with fewer its end is shown."""


class Block(LineView):
    """One part of what was said and answered."""

    def __init__(self, kind: Kind, lines: Sequence[Line]) -> None:
        super().__init__(classes=f"block -{kind}")
        self.kind = kind
        self.lines = tuple(lines)


class Events(Block):
    """Events that came one after the other."""


class Transcript(VerticalScroll):
    """Blocks, the newest at the end and in sight."""

    def __init__(self) -> None:
        super().__init__(id="transcript", can_focus=False)
        self._turns: dict[turns.Turn, tuple[Block, Block | None]] = {}
        """Of each line that is being answered what was said and, once there is some, the text."""
        self._read: tuple[Widget, Widget] | None = None
        """First and last block of what is to be in sight, until a person scrolls."""

    async def add(self, block: Block | PlanCard, before: Widget | None = None) -> None:
        """Put ``block`` at the end or ``before`` another, and forget the oldest where there are too many."""
        if not self.is_attached:  # the shell is being left
            return
        await self.mount(block, before=before)
        for old in list(self.children)[:-KEPT]:
            await old.remove()
        if isinstance(block, Block) and block.kind == "you":
            self._read = None
            self.anchor()  # else whoever reads further up goes on reading

    async def say(self, kind: Kind, lines: Sequence[Line]) -> Block:
        """Put ``lines`` at the end."""
        block = Block(kind, lines)
        await self.add(block)
        return block

    async def happened(self, events: Sequence[EventOut]) -> None:
        """Put events at the end, in one block with those before; never between a line and its answer."""
        asked = next((said for said, _ in self._turns.values() if said.is_attached), None)
        end = len(self.children) if asked is None else self.children.index(asked)
        last = self.children[end - 1] if end else None
        if isinstance(last, Events):
            last.show(happenings.together(last.lines, events))
        else:
            await self.add(Events("note", happenings.together((), events)), before=asked)

    # One line and what it comes to

    async def begin(self, turn: turns.Turn) -> None:
        """Show what was said, and that it is being answered."""
        said = await self.say("you", you(turn.line))
        said.add_class("-waiting")
        self._turns[turn] = (said, None)

    async def understood(self, message: turns.Understood) -> None:
        """Mark the words that were understood, and say what they mean."""
        said, _ = self._turns[message.turn]
        places = [(start, end) for spans in message.spans.values() for start, end in spans]
        said.show([line(Span("> ", "muted"), *marked(message.turn.line, places))])
        if message.spec["intent"] != "none":
            sure = message.spec.get("confidence")
            how = f"{message.spec['tier']}{f', {sure:.0%} sure' if sure is not None else ''}"
            await self.say("understood", [line(message.meaning, Span(f"  ({how})", "muted"))])

    async def wrote(self, message: turns.Wrote) -> None:
        """Show what is written so far."""
        said, text = self._turns[message.turn]
        lines = answer_lines(message.text)
        if message.text.strip():
            if text is None or not text.is_attached:
                text = await self.say(message.kind, lines)
                self._turns[message.turn] = (said, text)
            else:
                text.kind = message.kind
                text.set_classes(f"block -{message.kind}")
                text.show(lines)
        if message.ended:
            said.remove_class("-waiting")
            del self._turns[message.turn]
            self._read = said, self.children[-1]
            self.call_later(self._reveal)

    # Plans

    @property
    def cards(self) -> list[PlanCard]:
        """The plans that may still be decided on, the newest last."""
        return [card for card in self.query(PlanCard) if card.is_open]

    def has_plan(self, plan_id: str) -> bool:
        """Whether it is shown."""
        return any(card.plan["id"] == plan_id for card in self.query(PlanCard))

    @on(PlanCard.Taken)
    def _taken(self, message: PlanCard.Taken) -> None:
        message.stop()
        self._read = message.card, message.card
        self.call_later(self._reveal)

    # What is in sight

    def watch_virtual_size(self) -> None:
        """Look again at how long that is: a block has its place only some time after it is added."""
        self.call_later(self._reveal)

    def on_resize(self) -> None:
        """Look again at how much of it fits."""
        self.call_later(self._reveal)

    def _reveal(self) -> None:
        """Bring its end in sight; of what is longer than the screen its beginning, unless its end asks."""
        if self._read is None:
            return
        first, last = read = self._read
        if not (first.is_attached and last.is_attached):  # the transcript was emptied meanwhile
            return
        top = first.virtual_region.y
        bottom = last.virtual_region_with_margin.bottom
        if bottom - top > self.size.height >= READABLE:
            asks = isinstance(last, PlanCard) and last.is_asking
            self.anchor(False)
            self.scroll_to(
                y=bottom - self.size.height if asks else top, animate=False, immediate=True, force=True
            )
        elif last is self.children[-1]:
            self.anchor()
        else:
            self.scroll_to_widget(last, animate=False, immediate=True)
        self._read = read

    def release_anchor(self) -> None:
        """Go on from where a person has scrolled to."""
        self._read = None
        super().release_anchor()

    def on_mouse_scroll_down(self) -> None:
        """The same: to scroll down releases nothing."""
        self._read = None

    def page(self, direction: int) -> None:
        """Scroll by a page."""
        self.scroll_relative(y=direction * max(self.size.height - 1, 1), animate=False)


def you(said: str) -> list[Line]:
    """What a person said."""
    return [line(Span("> ", "muted"), Span(said, "strong"))]
