# SPDX-License-Identifier: Apache-2.0
"""Verbs for the prompt, other programs and the terminal: habits, mcp, serve, completion."""

import argparse
from pathlib import Path

from jepa.shell.usage import Parser, Verb


def _serve(parser: Parser) -> None:
    parser.add_argument(
        "--socket",
        type=Path,
        metavar="PATH",
        help="where to listen (default: $JEPA_SOCKET or /run/jepa/api.sock)",
    )
    parser.add_argument("--state-dir", type=Path, metavar="DIR", help="where to keep the history")


def _completion(parser: Parser) -> None:
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help=" or ".join(SHELLS))
    # For the scripts themselves: what the last of these words may become.
    parser.add_argument("--words", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)


SHELLS = ("bash", "zsh", "fish")

VERBS = (
    Verb(
        "habits",
        "have the shell learn what you type next, on this machine alone; off until you ask for it",
        ("jepa habits on", "jepa habits show", "jepa habits off"),
        actions=(
            Verb(
                "on",
                "keep the lines that you type at the prompt, the newest 2,000, for you alone to read",
                ("jepa habits on",),
            ),
            Verb(
                "show",
                "what is kept, what is expected next, and how often that was right",
                ("jepa habits show", "jepa habits show --json"),
            ),
            Verb("off", "delete every line that was kept, and keep no more", ("jepa habits off",)),
        ),
    ),
    Verb(
        "mcp",
        "serve the Model Context Protocol to an assistant: tools that read and propose, none that change",
        ("jepa mcp", "ssh HOST jepa mcp", "jepa mcp --local"),
        asks_service=True,
        prompt=False,
    ),
    Verb(
        "serve",
        "run the daemon in the foreground",
        ("jepa serve", "jepa serve --socket ./api.sock --state-dir ./state"),
        _serve,
        prompt=False,
    ),
    Verb(
        "completion",
        "print a completion script for bash, zsh or fish",
        ('eval "$(jepa completion bash)"', 'eval "$(jepa completion zsh)"', "jepa completion fish | source"),
        _completion,
        prompt=False,
    ),
)
