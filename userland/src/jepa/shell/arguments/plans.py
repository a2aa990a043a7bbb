# SPDX-License-Identifier: Apache-2.0
"""Verbs that act on plans: what was shown is applied, or stands as a task."""

from jepa.shell.usage import Parser, Verb, span, wish


def _apply(parser: Parser) -> None:
    parser.add_argument("plan", metavar="PLAN-ID", help="as `jepa plan` shows it; kept for a minute")
    parser.add_argument(
        "--for",
        type=span,
        dest="for_s",
        metavar="SPAN",
        help="take it back after 90s, 30m, 12h or 7d (default: as the task spec says)",
    )
    parser.add_argument("--why", default="", metavar="TEXT", help="the reason, kept in the history")
    _yes(parser)


def _do(parser: Parser) -> None:
    wish(parser)
    _yes(parser)


def _tasks(parser: Parser) -> None:
    parser.add_argument(
        "words",
        nargs="*",
        metavar="[end] ID",
        help="show this task, or end it; list them when none is named",
    )


def _yes(parser: Parser) -> None:
    parser.add_argument("--yes", action="store_true", help="consent in advance")


VERBS = (
    Verb(
        "apply",
        "carry out a plan exactly as it was shown, after your consent",
        ("jepa apply 3f9c2a71b04e", "jepa apply 3f9c2a71b04e --for 30m --yes"),
        _apply,
        asks_service=True,
    ),
    Verb(
        "do",
        "have a task stand: plan, and with your consent act on it and go on doing so",
        (
            'jepa do "limit gcc to 2 cores for half an hour"',
            "jepa do --spec task.json",
            "jepa do --spec task.json --yes --json",
        ),
        _do,
        asks_service=True,
    ),
    Verb(
        "tasks",
        "the tasks that stand, what they changed, and what that brings; end one",
        ("jepa tasks", "jepa tasks t1f0c9a3b", "jepa tasks end t1f0c9a3b"),
        _tasks,
        asks_service=True,
    ),
    Verb(
        "learning",
        "what this machine's own changes taught of their effects; forget it",
        ("jepa learning show", "sudo jepa learning reset"),
        asks_service=True,
        actions=(
            Verb(
                "show",
                "each effect that was seen here, and whether plans use what was learned",
                ("jepa learning show", "jepa learning show --json"),
                asks_service=True,
            ),
            Verb(
                "reset",
                "forget all of it, as root: plans use what the pack says",
                ("sudo jepa learning reset",),
                asks_service=True,
            ),
        ),
    ),
)
