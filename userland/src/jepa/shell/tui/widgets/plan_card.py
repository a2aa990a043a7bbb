# SPDX-License-Identifier: Apache-2.0
"""A plan in the transcript: steps, the course imagined as a plot, the verdict, and keys to decide by."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal, Self, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.events import Key
from textual.message import Message

from jepa.service.api import FrameOut
from jepa.shell.tui.draw import Glyphs
from jepa.shell.tui.model import plan_card as model
from jepa.shell.tui.widgets.line_view import LineView
from jepa.shell.tui.widgets.picture import PictureView, ScreenRows, looks, written

Decision = Literal["apply", "edit", "explain", "dry-run", "cancel"]
SAID_ROWS = 3
"""What was said, what was understood, and the head."""
KEYS_ROWS = 3
"""The keys, with a row over and one under them."""
BESIDE = 60
"""Cards with fewer columns have no plots: numbers say the same."""


class Keys(LineView):
    """The keys of a card, which can be clicked, too."""

    class Pressed(Message):
        """One was clicked."""

        def __init__(self, decision: str) -> None:
            super().__init__()
            self.decision = decision

    def action_card(self, decision: str) -> None:
        """Tell the card."""
        self.post_message(self.Pressed(decision))


class PlanCard(Vertical, can_focus=True):
    """One plan; it decides nothing by itself but posts what was decided."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "card('apply')", "Apply"),
        Binding("e", "card('edit')", "Edit"),
        Binding("x", "card('explain')", "Explain"),
        Binding("d", "card('dry_run')", "Dry-run"),
        Binding("c", "card('cancel')", "Cancel"),
        Binding("escape,tab,shift+tab", "back", "Back"),
    ]

    class Decided(Message):
        """What the person decided about the plan."""

        def __init__(self, card: "PlanCard", decision: Decision) -> None:
            super().__init__()
            self.card = card
            self.decision = decision

    class Taken(Message):
        """The card has the keys."""

        def __init__(self, card: "PlanCard") -> None:
            super().__init__()
            self.card = card

    class Waits(Message):
        """It begins or ceases to wait for a decision, and wants to be seen whole or no more."""

    class Left(Message):
        """The person turned away from the card without a decision."""

    def __init__(
        self,
        plan: Mapping[str, Any],
        past: Sequence[FrameOut],
        said: str,
        glyphs: Glyphs,
        clock: Callable[[], float],
        room: Callable[[], int],
    ) -> None:
        """``said`` is the sentence it was made for; ``clock`` counts seconds as plans expire by.

        ``room`` tells how many rows there are for it and its sentence: plots that do not fit are left out.
        """
        super().__init__(classes="block -plan")
        self.plan = plan
        self.said = said
        self._past = past
        self._glyphs = glyphs
        self._clock = clock
        self._room = room
        self._state: model.State = "open"
        self._waited = False
        self._written_for = 0
        """Columns."""

    def compose(self) -> ComposeResult:
        """Verdict and steps over the plots, what is expected, and the keys."""
        yield LineView(classes="card-head")
        yield LineView(classes="card-steps")
        yield PictureView(classes="card-plots")
        yield LineView(classes="card-expected")
        yield Keys(classes="card-keys")

    @property
    def fits(self) -> bool:
        """Whether it is written for the columns that it has."""
        return self._written_for == self.content_size.width

    @property
    def is_open(self) -> bool:
        """Whether it waits for a decision."""
        return self._state in ("open", "armed")

    @property
    def waits(self) -> bool:
        """Whether there still is something to decide: a plan that has expired cannot be applied."""
        return self.is_open and self.left_s > 0

    @property
    def is_settled(self) -> bool:
        """Whether it was carried out or dropped."""
        return self._state in ("applied", "cancelled")

    @property
    def is_asking(self) -> bool:
        """Whether it waits for the second key, asked for in its last line."""
        return self._state == "armed"

    @property
    def left_s(self) -> float:
        """Seconds until the plan expires."""
        return float(self.plan["expires_s"]) - self._clock()

    @property
    def text(self) -> str:
        """Everything that is written on it."""
        return "\n".join(view.text for view in self.query(LineView) if view.text)

    def on_resize(self) -> None:
        """Lay everything out for the width there is."""
        self.fill()

    def on_mount(self) -> None:
        """Fill it, and count down."""
        self.fill()
        self.set_interval(1.0, self._tick)

    def _tick(self) -> None:
        if self.fits:
            self.count()
        else:
            self.fill()

    def count(self) -> None:
        """Write how long the plan may still be applied, and which keys there are."""
        width = self.content_size.width or 80
        left = self.left_s
        self.query_one(".card-head", LineView).show([model.head(self.plan, left, self._state, width)])
        keys = model.keys(self.plan, left, self._state, self.has_focus)
        view = self.query_one(".card-keys", LineView)
        view.show([keys] if keys else [])
        view.display = bool(keys)
        if self.waits != self._waited:
            self._waited = self.waits
            self.refresh_bindings()
            self.post_message(self.Waits())

    def fill(self) -> None:
        """Write everything anew, for the room there is."""
        self._written_for = self.content_size.width
        width = self._written_for or 80
        unicode = self._glyphs is not Glyphs.ASCII
        steps = [*model.steps(self.plan, width, unicode), *model.reasons(self.plan)]
        self.query_one(".card-steps", LineView).show(steps)
        expected = model.expected(self.plan, width)
        self.query_one(".card-expected", LineView).show(expected)
        self.query_one(".card-expected").display = bool(expected)
        spoken = SAID_ROWS + len(steps) + (len(expected) + 1 if expected else 0) + KEYS_ROWS
        self._plot(width, max(self._room() - spoken - 1, 0) // (model.PLOT_ROWS + 1))
        self.count()

    def _plot(self, width: int, most: int) -> None:
        view = self.query_one(PictureView)
        found = model.plots(self.plan, self._past, width, self._glyphs)[:most] if width >= BESIDE else []
        rows = []
        for plot in found:
            room = len(plot.without[0])
            without, with_ = plot.titles
            heads = written(f"{'':{model.SCALE}}{without:<{room}}")
            if plot.with_:
                heads += written(f"  {with_:<{room}}")
            rows.append(heads)
            for place, cells in enumerate(plot.without):
                mark = plot.top if place == 0 else "0" if place == len(plot.without) - 1 else ""
                row = written(f"{mark:>{model.SCALE - 1}} ") + looks(cells)
                rows.append(row + written("  ") + looks(plot.with_[place]) if plot.with_ else row)
        view.display = bool(rows)
        view.styles.height = len(rows)
        view.show(ScreenRows(tuple(row[:width] for row in rows)))

    def applying(self) -> None:
        """It is being carried out; whoever asked says with `carried_out` how that ended."""
        self._state = "applying"
        self.count()

    def carried_out(self, done: bool) -> None:
        """All steps were kept, or none: then it waits for a decision again."""
        if self._state == "applying":
            self._state = "applied" if done else "open"
            self.count()

    # What is pressed

    def watch_has_focus(self, has_focus: bool) -> None:
        """Show whether the keys are listened to; without it one that was waited for is none any more.

        Handlers of the events Focus and Blur run before this has changed.
        """
        super().watch_has_focus(has_focus)
        if self._state == "armed" and not has_focus:
            self._state = "open"
        if self.is_mounted:
            self.count()
        if has_focus:
            self.post_message(self.Taken(self))

    def focus(self, scroll_visible: bool = True) -> Self:
        """Take the keys; what has the card brings it in sight, which two cannot both do."""
        return super().focus(scroll_visible=False)

    def on_key(self, event: Key) -> None:
        """Take the second key of steps that interrupt something."""
        if self._state != "armed":
            return
        event.stop()
        event.prevent_default()
        self._state = "open"
        if event.key == "y":
            self._decide("apply")
        self.count()
        self.post_message(self.Taken(self))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Neither a key of a plan while a second key is waited for, nor one that would do nothing."""
        if action != "card":
            return True
        if parameters[0] in ("apply", "dry_run"):
            return self._state == "open" and model.can_apply(self.plan)  # of an expired one it says so
        return self._state == "open"

    def action_card(self, decision: str) -> None:
        """Take a key, or a click on its name."""
        wanted = cast(Decision, decision.replace("_", "-"))
        if not self.is_open:
            return
        if wanted in ("apply", "dry-run") and not (model.can_apply(self.plan) and self.left_s > 0):
            self.count()
        elif wanted == "apply" and model.needs_second_key(self.plan):
            self._state = "armed"
            self.focus()
            self.count()
            self.post_message(self.Taken(self))
        else:
            self._decide(wanted)

    @on(Keys.Pressed)
    def _clicked(self, message: Keys.Pressed) -> None:
        message.stop()
        self.action_card(message.decision)

    def action_back(self) -> None:
        """Turn away."""
        self.post_message(self.Left())

    def _decide(self, decision: Decision) -> None:
        if decision == "apply":
            self._state = "applying"
        elif decision in ("cancel", "edit"):
            self._state = "cancelled"
        self.count()
        self.post_message(self.Decided(self, decision))
