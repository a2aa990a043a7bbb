# SPDX-License-Identifier: Apache-2.0
"""Verbs that take a sentence: parse."""

from jepa.shell.usage import Parser, Verb


def _parse(parser: Parser) -> None:
    parser.add_argument("text", nargs="*", metavar="TEXT", help="what is wanted, in plain words")
    parser.add_argument(
        "--lines",
        metavar="FILE",
        help="the sentences of a file, one a line, as lines of JSON; - reads standard input",
    )


VERBS = (
    Verb(
        "parse",
        "what a sentence means, as a task spec; does nothing of it",
        ('jepa parse "restart nginx if it fails and tell me"', "jepa parse --lines sentences.txt"),
        _parse,
        asks_service=True,
    ),
)
