# SPDX-License-Identifier: Apache-2.0
"""The prompt: one line with history, completion of verbs and names, and what is likely to be typed next."""

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.suggester import Suggester
from textual.widgets import Input

from jepa.shell.complete import Vocabulary
from jepa.shell.habits.habits import Habits

HINT = "say what you want, or a verb; Tab completes"


class _Ghost(Suggester):
    """Shows, in grey, the likeliest line, the latest that starts the same, or the only completion."""

    def __init__(self, prompt: "Prompt") -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._prompt = prompt

    async def get_suggestion(self, value: str) -> str | None:
        if not value.strip():
            return None
        if (likely := self._prompt.habits.offer(value)) is not None:
            return likely
        remembered = [line for line in self._prompt.history if line.startswith(value) and line != value]
        found = self._prompt.vocabulary.completions(value)
        return remembered[-1] if remembered else found[0] if len(found) == 1 else None


class Prompt(Input):
    """An input that never gives up the focus: Tab completes, up and down walk the history."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "complete", "Complete", show=False),
        Binding("up", "history(-1)", "Earlier", show=False),
        Binding("down", "history(1)", "Later", show=False),
        Binding("ctrl+c", "drop", "Drop the line", show=False),
        Binding("ctrl+d", "leave", "Leave", show=False),
    ]

    class Entered(Message):
        """A line was entered."""

        def __init__(self, line: str) -> None:
            super().__init__()
            self.line = line

    class Onward(Message):
        """Tab was pressed on an empty line: the person wants what comes next on the screen."""

    class Candidates(Message):
        """Tab found more than one way to go on; an empty list takes back what was said before."""

        def __init__(self, words: list[str]) -> None:
            super().__init__()
            self.words = words

    def __init__(self, vocabulary: Vocabulary, habits: Habits) -> None:
        self.vocabulary = vocabulary
        self.habits = habits
        self.offered: str | None = None
        """The line that is shown in grey while nothing is typed."""
        self.history: list[str] = []
        self._place = 0
        super().__init__(
            placeholder=HINT,
            compact=True,
            suggester=_Ghost(self),
            select_on_focus=False,
            id="prompt",
        )

    def on_mount(self) -> None:
        """Learn from the lines that were kept."""
        self.run_worker(lambda: self._learn(None), thread=True)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Hand the line on and remember it."""
        event.stop()
        typed = event.value
        line = typed.strip()
        self.value = ""
        self.post_message(self.Candidates([]))
        if not line:
            return
        if not self.history or self.history[-1] != line:
            self.history.append(line)
        self._place = len(self.history)
        self._show(None)
        self.post_message(self.Entered(line))
        self.run_worker(lambda: self._learn(typed), thread=True)

    def _learn(self, typed: str | None) -> None:
        """In a thread: files are read and written."""
        if typed is None:
            self.habits.load()
        else:
            self.habits.typed(typed)
        offered = self.habits.offer()
        if self.is_attached:
            self.app.call_from_thread(self._show, offered)

    def _show(self, offered: str | None) -> None:
        self.offered = offered
        self.placeholder = HINT if offered is None else f"{offered}  (right arrow takes it)"

    def action_cursor_right(self, select: bool = False) -> None:
        """Take the line in grey, or move the cursor."""
        if not self.value and self.offered is not None:
            self.put(self.offered)
        else:
            super().action_cursor_right(select)

    def action_history(self, step: int) -> None:
        """Show an earlier or later line."""
        self._place = min(max(self._place + step, 0), len(self.history))
        self.value = self.history[self._place] if self._place < len(self.history) else ""
        self.cursor_position = len(self.value)

    def action_complete(self) -> None:
        """Complete the word under way as far as it is certain, and name the choices that are left."""
        if not self.value:
            self.post_message(self.Onward())
            return
        self.complete()

    def complete(self) -> None:
        """Complete the word under way, or name every verb where there is none."""
        self.value, found = self.vocabulary.extend(self.value)
        self.cursor_position = len(self.value)
        words = [line.rsplit(maxsplit=1)[-1] for line in found]
        self.post_message(self.Candidates(words if len(words) > 1 else []))

    def put(self, line: str) -> None:
        """Put ``line`` in place of what was typed, for the person to enter or change, and take the keys."""
        self.value = line
        self.cursor_position = len(line)
        self.focus()

    def action_drop(self) -> None:
        """Copy what is selected on the screen; empty the line where nothing is."""
        if selected := self.screen.get_selected_text():
            self.app.copy_to_clipboard(selected)
            self.screen.clear_selection()
            return
        self.value = ""
        self.post_message(self.Candidates([]))

    async def action_leave(self) -> None:
        """Leave the shell from an empty line; delete to the right otherwise."""
        if self.value:
            self.action_delete_right()
        else:
            await self.run_action("app.quit")
