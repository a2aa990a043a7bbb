# SPDX-License-Identifier: Apache-2.0
"""Runs one line typed at the shell's prompt: the verbs of the command line, answered as text."""

import io
import locale
import os
import shlex

from jepa.errors import JepaError
from jepa.service.api import Client
from jepa.shell import arguments
from jepa.shell.output import Output
from jepa.shell.parser import help_words, parse
from jepa.shell.request import Request
from jepa.shell.terminal import Terminal
from jepa.shell.usage import HelpWanted, UsageError
from jepa.shell.verbs import perform


def run_line(client: Client, line: str, width: int = 80) -> str:
    """What the verb line ``line`` answers, as text for ``width`` columns; an error gives its sentence."""
    text = io.StringIO()
    try:
        words = _sentence(line) if _is_sentence(line) else shlex.split(line)
    except ValueError as error:
        return f"The line cannot be read: {error}. Close the quotation."
    if words[:1] == ["jepa"]:
        words = words[1:]
    if not words:
        return ""
    if words == ["help"]:
        return help_text()
    unicode = Terminal(True, "", locale.getencoding(), os.environ).unicode
    out = Output(text, json="--json" in words, unicode=unicode, colour=False, width=width)
    try:
        args = parse(help_words(words))
        if args.verb is None:
            raise UsageError("Without a verb there is nothing to do.", "`help` lists the verbs.", status=400)
        if not arguments.verb(args.verb).prompt:
            raise UsageError(
                f"{args.verb} is no verb for this prompt.", f"Use `jepa {args.verb}` in a terminal."
            )
        perform(Request(args, out, lambda: client, prompt=True))
    except HelpWanted as wanted:
        return str(wanted)
    except JepaError as error:
        out.error(error)
    return text.getvalue().rstrip("\n")


def _is_sentence(line: str) -> bool:
    """Whether a line is plain words: these are explained or planned for, which changes nothing."""
    first, *rest = line.split() or [""]
    if not rest or first.startswith("-") or first in (*arguments.NAMES, "help", "jepa"):
        return False
    import difflib  # only lines that begin with no verb need it

    return not difflib.get_close_matches(first, arguments.NAMES, n=1, cutoff=0.8)


def _sentence(line: str) -> list[str]:
    from jepa.shell.sentence import verb_of  # verbs need no grammar

    return [verb_of(line), line]


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
