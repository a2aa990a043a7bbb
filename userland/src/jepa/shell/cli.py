# SPDX-License-Identifier: Apache-2.0
"""The jepa command, and the same verbs for the shell's prompt."""

import importlib
import io
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from jepa.errors import JepaError
from jepa.shell.output import Output, shows_unicode
from jepa.shell.parser import VERBS, HelpWanted, UsageError, Verb, parse
from jepa.shell.request import Request

if TYPE_CHECKING:
    from jepa.service.api import Client


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line; the exit status: 0 done, 1 refused or failed, 2 not understood."""
    words = list(sys.argv[1:] if argv is None else argv)
    out = Output.to(sys.stdout, json="--json" in words)
    try:
        return _run(words, out)
    except HelpWanted as wanted:
        sys.stdout.write(str(wanted))
        return 0
    except UsageError as error:
        (out if out.json else Output.to(sys.stderr, json=False)).error(error)
        return 2
    except JepaError as error:
        (out if out.json else Output.to(sys.stderr, json=False)).error(error)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read has gone; the interpreter must not find the pipe broken again when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def run_line(client: "Client", line: str, width: int = 80) -> str:
    """What the verb line ``line`` answers, as text for ``width`` columns; an error gives its sentence."""
    text = io.StringIO()
    try:
        words = shlex.split(line)
    except ValueError as error:
        return f"The line cannot be read: {error}. Close the quotation."
    if words[:1] == ["jepa"]:
        words = words[1:]
    if not words:
        return ""
    if words == ["help"]:
        return help_text()
    out = Output(text, json="--json" in words, unicode=shows_unicode(), colour=False, width=width)
    try:
        args = parse(_help_words(words))
        if args.verb is None:
            raise UsageError("Without a verb there is nothing to do.", "`help` lists the verbs.", status=400)
        if not _verb(args.verb).prompt:
            raise UsageError(
                f"{args.verb} is no verb for this prompt.", f"Use `jepa {args.verb}` in a terminal."
            )
        _perform(Request(args, out, lambda: client, prompt=True))
    except HelpWanted as wanted:
        return str(wanted)
    except JepaError as error:
        out.error(error)
    return text.getvalue().rstrip("\n")


def verbs() -> list[str]:
    """The words a line at the prompt may begin with."""
    return ["help", *(verb.name for verb in VERBS if verb.prompt)]


def help_text() -> str:
    """The verbs of the prompt, one a line."""
    shown = [verb for verb in VERBS if verb.prompt]
    width = max(len(verb.name) for verb in shown)
    return "\n".join(
        [*(f"  {verb.name:<{width}}  {verb.help}" for verb in shown), "", "`help VERB` has examples."]
    )


def _run(words: Sequence[str], out: Output) -> int:
    args = parse(_help_words(words))
    if args.version:
        from jepa import __version__

        out.data({"version": __version__}) if out.json else out.line(f"jepa {__version__}")
        return 0

    opened: list[Client] = []

    def connect() -> "Client":
        from jepa.service.client import connect

        opened.append(
            connect(local="local" in args, socket=cast("Path | None", getattr(args, "socket", None)))
        )
        return opened[0]

    try:
        if args.verb is None:
            if out.json:
                raise UsageError("--json needs a verb.", "Try jepa status --json.", status=400)
            from jepa.shell.start import run

            return run(connect(), args.plain)
        status = _perform(Request(args, out, connect, prompt=False))
        sys.stdout.flush()
        return status
    finally:
        for client in opened:
            client.close()


def _perform(request: Request) -> int:
    module = importlib.import_module(f"jepa.shell.verbs.{request.args.verb}")
    run = cast("Callable[[Request], int]", module.run)
    return run(request)


def _verb(name: str) -> Verb:
    return next(verb for verb in VERBS if verb.name == name)


def _help_words(words: Sequence[str]) -> Sequence[str]:
    """``help`` and ``help VERB`` as the options that argparse knows."""
    if words and words[0] == "help":
        return [*words[1:2], "--help"] if len(words) > 1 else ["--help"]
    return words


if __name__ == "__main__":
    sys.exit(main())
