# SPDX-License-Identifier: Apache-2.0
"""Asks the person at a terminal whether what was shown is to be done."""

import sys

from jepa.errors import JepaError
from jepa.shell.request import Request


def can_ask(request: Request) -> bool:
    """Whether there is a person at a terminal."""
    return not (request.out.json or request.prompt) and sys.stdin.isatty() and sys.stdout.isatty()


def asked() -> bool:
    """The person's consent; JepaError when it is not given."""
    try:
        answer = input("Do it? [y/N] ")
    except EOFError:
        answer = ""
    if answer.strip().lower() not in ("y", "yes"):
        raise JepaError("Nothing was changed.", "", status=403)
    return True
