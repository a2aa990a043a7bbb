# SPDX-License-Identifier: Apache-2.0
"""`jepa parse`: what a sentence means, as a task spec; does nothing of it."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

from jepa.errors import JepaError
from jepa.language.parser import unreadable
from jepa.language.saying import understood
from jepa.language.understanding import Understanding
from jepa.shell.request import Request
from jepa.shell.usage import UsageError

LONGEST: Final = 4096
"""Bytes of a line that are read; no sentence is so long."""


def run(request: Request) -> int:
    """Show the task spec of the sentence; with --lines one a line, as JSON."""
    args = request.args
    text = " ".join(args.text)
    if bool(text) == bool(args.lines):
        raise UsageError(
            "One sentence is wanted, or --lines with a file of them.", 'Try jepa parse "restart nginx".'
        )
    parse = parser(request)
    if args.lines:
        if request.prompt and args.lines == "-":
            raise UsageError("At the prompt standard input is the prompt's.", "Name a file.", status=400)
        for line in _lines(args.lines):
            spec = (
                unreadable("That is no UTF-8, or far too long; write it again?")
                if line is None
                else parse(line)
            )
            request.out.line_raw(json.dumps(spec))  # ASCII: a line is one line to whoever splits it
        return 0
    spec = parse(text)
    if request.out.json:
        request.out.data(spec)
    elif spec["intent"] == "none":
        request.out.line(f"not understood: {spec['question']}")
    else:
        request.out.line(f"understood: {understood(spec)}")
    return 0


def parser(request: Request) -> Callable[[str], dict[str, Any]]:
    """jepad's parser; that of this process with --local, or where jepad cannot be asked."""
    if "local" not in request.args:
        try:
            return request.client.parse
        except JepaError:
            if getattr(request.args, "socket", None) is not None:
                raise
    return Understanding().parse


def _lines(name: str) -> Iterator[str | None]:
    """The lines of a file; None for one that is too long, or no text."""
    try:
        if name == "-":
            yield from _split(sys.stdin.buffer)
        else:
            with Path(name).open("rb") as file:
                yield from _split(file)
    except OSError as error:
        raise UsageError(f"{name} cannot be read: {error.strerror}.", "Name a file of sentences.") from error


def _split(file: BinaryIO) -> Iterator[str | None]:
    while line := file.readline(LONGEST):
        whole = line.endswith(b"\n")
        while not whole and (rest := file.readline(LONGEST)):
            line, whole = b"", rest.endswith(b"\n")
        try:
            yield line.rstrip(b"\r\n").decode() if line else None
        except UnicodeDecodeError:
            yield None
