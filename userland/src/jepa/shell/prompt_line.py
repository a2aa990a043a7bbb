# SPDX-License-Identifier: Apache-2.0
"""Runs one line typed at the shell's prompt: the verbs of the command line, answered as text."""

import argparse
import io
import locale
import os
import shlex
from typing import TYPE_CHECKING, NamedTuple, cast

from jepa.errors import JepaError
from jepa.service.api import Client
from jepa.shell import arguments
from jepa.shell.output import Output
from jepa.shell.parser import help_words, parse
from jepa.shell.request import Request
from jepa.shell.terminal import Terminal
from jepa.shell.usage import HelpWanted, UsageError
from jepa.shell.verbs import perform

if TYPE_CHECKING:
    from jepa.shell.conversation import Conversation
    from jepa.shell.listener import Listener


class LineRunner:
    """Runs the lines of one shell, and remembers the last sentence for those that refer to it."""

    def __init__(self) -> None:
        self._conversation: Conversation | None = None

    def __call__(
        self, client: Client, line: str, width: int = 80, listener: "Listener | None" = None
    ) -> str:
        """As `run_line`."""
        if self._conversation is None and _may_refer(line):
            from jepa.shell.conversation import Conversation  # the grammar: only plain words need it
            from jepa.shell.sentence import understanding

            self._conversation = Conversation(understanding())
        return run_line(client, line, width, self._conversation, listener)


def run_line(
    client: Client,
    line: str,
    width: int = 80,
    conversation: "Conversation | None" = None,
    listener: "Listener | None" = None,
) -> str:
    """What the verb line ``line`` answers, as text for ``width`` columns; an error gives its sentence.

    ``conversation`` is what the shell remembers: with it a line may refer to the sentence before. With a
    ``listener`` the text has colours as a terminal is sent them, and what the listener is told is not in it.
    """
    turn = conversation.refers(line) if conversation is not None and _may_refer(line) else None
    asked = _Asked(client, width, conversation, listener)
    if conversation is not None and turn is not None and turn.about != "wish":
        from jepa.shell.follow_ups import answer, undo_lines

        if turn.about == "undo":
            lines = undo_lines(conversation)
            done = [_run(asked, words) for words in lines]
            return "\n".join(done) or "Nothing was changed for it. `undo` takes back your last change."
        out = asked.output()
        answer(Request(argparse.Namespace(), out, lambda: client, prompt=True), turn, conversation)
        return _text(out)
    try:
        sentence = turn is not None or _is_sentence(line)
        words = _sentence(asked, line) if sentence else shlex.split(line)
    except ValueError as error:
        return f"The line cannot be read: {error}. Close the quotation."
    return _run(asked, words)


class _Asked(NamedTuple):
    """Who asks, and how the answer is to be written."""

    client: Client
    width: int
    conversation: "Conversation | None"
    listener: "Listener | None"

    def output(self, json: bool = False) -> Output:
        """Where an answer is written."""
        unicode = Terminal(True, "", locale.getencoding(), os.environ).unicode
        text = io.StringIO() if self.listener is None else _Heard(self.listener)
        return Output(text, json=json, unicode=unicode, colour=self.listener is not None, width=self.width)


class _Heard(io.StringIO):
    """Tells a listener what is written so far whenever it is flushed."""

    def __init__(self, listener: "Listener") -> None:
        super().__init__()
        self._listener = listener

    def flush(self) -> None:
        """Tell it."""
        super().flush()
        self._listener.wrote(self.getvalue())


def _run(asked: _Asked, words: list[str]) -> str:
    if words[:1] == ["jepa"]:
        words = words[1:]
    if not words:
        return ""
    if words == ["help"]:
        return help_text()
    out = asked.output(json="--json" in words)
    try:
        args = parse(help_words(words))
        if args.verb is None:
            raise UsageError("Without a verb there is nothing to do.", "`help` lists the verbs.", status=400)
        if not arguments.verb(args.verb).prompt:
            raise UsageError(
                f"{args.verb} is no verb for this prompt.", f"Use `jepa {args.verb}` in a terminal."
            )
        request = Request(
            args,
            out,
            lambda: asked.client,
            prompt=True,
            conversation=asked.conversation,
            listener=None if out.json else asked.listener,
        )
        perform(request)
    except HelpWanted as wanted:
        return str(wanted)
    except JepaError as error:
        if asked.listener is not None:
            asked.listener.writes("refused")
        out.error(error)
    return _text(out)


def _text(out: Output) -> str:
    return cast("io.StringIO", out.stream).getvalue().rstrip("\n")


def _is_sentence(line: str) -> bool:
    """Whether a line is plain words: these are explained or planned for, which changes nothing."""
    words = line.split()
    if _refers_by_verb(words):
        return True
    return len(words) > 1 and _begins_with_no_verb(words)


def _may_refer(line: str) -> bool:
    """Whether a line could be about the sentence before: it is no verb line, and none that is misspelt."""
    words = line.split()
    return bool(words) and (_refers_by_verb(words) or _begins_with_no_verb(words))


def _refers_by_verb(words: list[str]) -> bool:
    """Whether these are words such as "undo that", which name nothing that a verb takes."""
    rest = [word.lower().strip("?!.,") for word in words[1:]]
    return words[:1] != ["help"] and bool(rest) and all(word in ("that", "it", "this") for word in rest)


def _begins_with_no_verb(words: list[str]) -> bool:
    first = words[0]
    if first.startswith("-") or first in (*arguments.NAMES, "help", "jepa"):
        return False
    import difflib  # only lines that begin with no verb need it

    return not difflib.get_close_matches(first, arguments.NAMES, n=1, cutoff=0.8)


def _sentence(asked: _Asked, line: str) -> list[str]:
    """The verb line that answers plain words."""
    from jepa.shell.sentence import verb_of  # verbs need no grammar

    verb = verb_of(line)
    if asked.conversation is not None and verb == "explain":  # the verb plan tells it by itself
        heard = asked.conversation.hear(line)
        if asked.listener is not None:
            from jepa.language.saying import understood

            spans = heard.turns[-1].spans if heard.turns else {}
            asked.listener.understood(understood(heard.spec), heard.spec, spans)
    return [verb, line]


def verbs() -> list[str]:
    """The words a line at the prompt may begin with."""
    return ["help", *(verb.name for verb in arguments.verbs() if verb.prompt)]


def actions() -> dict[str, list[str]]:
    """The actions of each verb that has some, and after ``help`` the verbs."""
    below = {verb.name: [each.name for each in verb.actions] for verb in arguments.verbs() if verb.actions}
    return {**below, "help": [verb.name for verb in arguments.verbs() if verb.prompt]}


def help_text() -> str:
    """The verbs of the prompt, one a line."""
    shown = [verb for verb in arguments.verbs() if verb.prompt]
    width = max(len(verb.name) for verb in shown)
    return "\n".join(
        [*(f"  {verb.name:<{width}}  {verb.help}" for verb in shown), "", "`help VERB` has examples."]
    )
