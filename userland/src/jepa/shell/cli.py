# SPDX-License-Identifier: Apache-2.0
"""The jepa command: one command line, its output and its exit status."""

import gc
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn, cast

from jepa.errors import JepaError
from jepa.shell.output import Output, OutputError
from jepa.shell.parser import help_words, parse, split_command
from jepa.shell.request import Request
from jepa.shell.terminal import flush_output, open_standard_streams
from jepa.shell.usage import HelpWanted, UsageError
from jepa.shell.verbs import perform

if TYPE_CHECKING:
    from pathlib import Path

    from jepa.service.api import Client


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line; the exit status: 0 done, 1 refused or failed, 2 usage error.

    Without ``argv`` it is this process's, which then may end here.
    """
    status = _status(list(sys.argv[1:] if argv is None else argv))
    if argv is None:
        _end(status)
    return status


def _status(words: Sequence[str]) -> int:
    open_standard_streams()
    try:
        return _answer(words)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever read has gone
        return 0
    except OutputError as error:
        with suppress(OSError):
            sys.stderr.write(f"{error}\n")
        return 1
    finally:
        flush_output()


def _end(status: int) -> NoReturn:
    """End a short command at once: to take the interpreter apart, object by object, takes it a millisecond.

    Threads to wait for and functions registered with atexit come with modules that import threading. Where
    that is imported Python ends as usual, but for the last look for garbage and for threads that still run.
    """
    if "threading" not in sys.modules:
        os._exit(status)
    from jepa.ending import end

    gc.freeze()
    end(status)


def _answer(words: Sequence[str]) -> int:
    out = Output.to(sys.stdout, json="--json" in split_command(words)[0])
    try:
        status = _run(words, out)
        out.flush()
        return status
    except HelpWanted as wanted:
        out.line_raw(str(wanted).rstrip())
        return 0
    except OutputError:
        raise
    except JepaError as error:
        (out if out.json else Output.to(sys.stderr, json=False)).error(error)
        return 2 if isinstance(error, UsageError) else 1


def _run(words: Sequence[str], out: Output) -> int:
    args = parse(help_words(words))
    if args.own_version:
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
        return perform(Request(args, out, connect, prompt=False))
    finally:
        for client in opened:
            client.close()


if __name__ == "__main__":
    sys.exit(main())
