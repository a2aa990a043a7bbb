# SPDX-License-Identifier: Apache-2.0
"""Verbs that ask jepad about the machine: from status and watch to alerts and today."""

from jepa.shell.usage import Parser, Verb, positive, span, wish


def _watch(parser: Parser) -> None:
    _channels(parser)
    parser.add_argument("--count", type=positive, metavar="N", help="stop after N frames, one a second")


def _forecast(parser: Parser) -> None:
    _channels(parser)
    parser.add_argument("--horizon", type=positive, metavar="S", help="only this horizon, in seconds")


def _explain(parser: Parser) -> None:
    parser.add_argument(
        "about",
        nargs="*",
        metavar="ABOUT",
        help="a unit, program, PID, channel or resource such as cpu; or a question, in plain words",
    )
    parser.add_argument(
        "--at", type=span, metavar="SPAN", help="as it was so long ago, such as 5m; at most 10m"
    )


def _events(parser: Parser) -> None:
    parser.add_argument(
        "--since", type=positive, default=3600, metavar="S", help="of the last S seconds (default: 3600)"
    )
    parser.add_argument("--follow", action="store_true", help="and those to come, until Ctrl-C")
    parser.add_argument("--kind", action="append", metavar="KIND", help="only this kind; may be repeated")


def _mute(parser: Parser) -> None:
    _kind(parser)
    parser.add_argument(
        "--for", type=span, dest="seconds", metavar="SPAN", help="such as 12h or 7d; else until unmuted"
    )


def _kind(parser: Parser) -> None:
    parser.add_argument("kind", metavar="KIND", help="a kind of alert, as `jepa alerts list` has them")


def _plan(parser: Parser) -> None:
    wish(parser)


def _channels(parser: Parser) -> None:
    parser.add_argument(
        "channels", nargs="*", metavar="CHANNEL", help="names of channels; the main ones when none is named"
    )


VERBS = (
    Verb(
        "status",
        "state of each part, and the budget used",
        ("jepa status", "jepa status --json"),
        asks_service=True,
    ),
    Verb(
        "doctor",
        "every check, with the remedy where one is not ok",
        ("jepa doctor", "jepa --local doctor"),
        asks_service=True,
    ),
    Verb(
        "watch",
        "live channels with prediction bands",
        ("jepa watch", "jepa watch system.cpu.utilization --count 10", "jepa watch --json"),
        _watch,
        asks_service=True,
    ),
    Verb(
        "forecast",
        "what is expected over the coming window",
        ("jepa forecast", "jepa forecast system.cpu.utilization", "jepa forecast --horizon 60 --json"),
        _forecast,
        asks_service=True,
    ),
    Verb(
        "explain",
        "why the machine, or a part of it, is as it is, with evidence",
        (
            "jepa explain",
            'jepa explain "why is the machine slow?"',
            "jepa explain postgresql.service",
            "jepa explain io --at 5m --json",
        ),
        _explain,
        asks_service=True,
    ),
    Verb(
        "plan",
        "what to change for a task, and what that would do; changes nothing",
        (
            'jepa plan "free memory but not the database"',
            "jepa plan --spec task.json",
            'echo \'{"intent": "prioritize"}\' | jepa plan --spec - --json',
        ),
        _plan,
        asks_service=True,
    ),
    Verb(
        "events",
        "what happened: failed units, devices, errors in the kernel log",
        ("jepa events", "jepa events --since 60 --follow", "jepa events --kind oom_kill --json"),
        _events,
        asks_service=True,
    ),
    Verb(
        "alerts",
        "what alerts came to on this machine; mute a kind that is no news",
        (
            "jepa alerts list",
            "jepa alerts mute cpu_saturation --for 1d",
            "jepa alerts unmute cpu_saturation",
        ),
        actions=(
            Verb(
                "list",
                "the kinds of alerts, how many were right and false, which are muted",
                ("jepa alerts list", "jepa alerts list --json"),
                asks_service=True,
            ),
            Verb(
                "mute",
                "mute a kind of alert (as root)",
                ("jepa alerts mute anomaly --for 12h", "jepa alerts mute unit_failure"),
                _mute,
                asks_service=True,
            ),
            Verb(
                "unmute",
                "unmute a kind of alert (as root)",
                ("jepa alerts unmute anomaly",),
                _kind,
                asks_service=True,
            ),
        ),
    ),
    Verb(
        "today",
        "what was predicted and done today, what it brought, what stands, what jepa cost",
        ("jepa today", "jepa today --json"),
        asks_service=True,
    ),
    Verb(
        "tour",
        "the first two minutes: what jepa does, shown on this machine; changes nothing",
        ("jepa tour", "jepa tour --local"),
        asks_service=True,
    ),
)
