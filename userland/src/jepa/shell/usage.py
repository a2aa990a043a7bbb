# SPDX-License-Identifier: Apache-2.0
"""The types of the command line: a verb, the parser, the values of options."""

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from jepa.errors import JepaError
from jepa.shell.terminal import columns

if TYPE_CHECKING:
    from pathlib import Path

# It would look for translations of its words, of which there are none, and import locale for that.
argparse._ = str  # type: ignore[attr-defined]


class UsageError(JepaError):
    """The command line is wrong; the exit status is 2."""


class HelpWanted(Exception):
    """The person asked for help, which is the argument."""


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that raises instead of printing and leaving the process."""

    def error(self, message: str) -> NoReturn:
        """UsageError with argparse's own words."""
        raise UsageError(f"{message[:1].upper()}{message[1:]}.", f"See {self.prog} --help.", status=400)

    def _get_formatter(self) -> argparse.HelpFormatter:
        # One is made for each argument that is added, and without a width each asks shutil for it.
        return self.formatter_class(prog=self.prog, width=columns() - 2)  # type: ignore[call-arg]

    def print_help(self, file: object = None) -> None:
        """HelpWanted with the text."""
        raise HelpWanted(self.format_help())


class Verb(NamedTuple):
    """One verb, or one action of a verb: what it takes, and its help."""

    name: str
    help: str
    examples: tuple[str, ...]
    add_arguments: Callable[[Parser], None] = lambda parser: None
    """Adds what only this verb takes."""
    actions: tuple["Verb", ...] = ()
    """The verbs below it, such as ``list`` of ``packs``; one of them must be named."""
    asks_service: bool = False
    """Whether it takes --socket and --local."""
    asks_actuator: bool = False
    """Whether it takes --local, and then changes the machine in this process."""
    prompt: bool = True
    """Whether it makes sense at the shell's prompt."""


def wish(parser: Parser) -> None:
    """What a plan is wanted for: a sentence, or a task spec."""
    parser.add_argument("text", nargs="*", metavar="TEXT", help="what is wanted, in plain words")
    parser.add_argument("--spec", metavar="FILE", help="or the task spec, as JSON; - reads standard input")


def path(text: str) -> "Path":
    """A file or folder. A command that takes none does not wait for pathlib."""
    from pathlib import Path

    return Path(text)


def positive(text: str) -> int:
    """A whole number above 0."""
    value = int(text) if text.isdecimal() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return value


_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def span(text: str) -> int:
    """A span of time in seconds, as 90s, 30m, 12h or 7d."""
    number, unit = text[:-1], text[-1:]
    if (
        not (number.isascii() and number.isdecimal())
        or unit not in _UNITS_S
        or not 0 < int(number) * _UNITS_S[unit] <= 10**9
    ):
        raise argparse.ArgumentTypeError(f"{text!r} is not a span of time such as 30m, 12h or 7d")
    return int(number) * _UNITS_S[unit]


def rate(text: str) -> float:
    """A number above 0, at most 240."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 240:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0 and at most 240")
    return value


def difference(text: str) -> float:
    """A number of 0 or more."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of 0 or more")
    return value
