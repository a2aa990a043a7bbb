# SPDX-License-Identifier: Apache-2.0
"""The verbs of what a goal may be or name: states that were captured, and signals."""

from jepa.shell.usage import Parser, Verb, span


def _name(parser: Parser) -> None:
    parser.add_argument("name", metavar="NAME", help="lower-case letters, digits and underscores")


def _source(parser: Parser) -> None:
    _name(parser)
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="prometheus:http://127.0.0.1:PORT/metrics#METRIC[:p99], file:/PATH or unix:/PATH",
    )


def _goal(parser: Parser) -> None:
    parser.add_argument("name", metavar="NAME", help="such as calm")


def _capture(parser: Parser) -> None:
    _goal(parser)
    parser.add_argument(
        "--over",
        type=span,
        default=30,
        metavar="SPAN",
        help="the mean of so much of the past, up to 5m (default: 30s)",
    )


def _kept(parser: Parser) -> None:
    parser.add_argument("name", metavar="GOAL", help="as `jepa goal standing` lists them")


def _keep(parser: Parser) -> None:
    _kept(parser)
    parser.add_argument(
        "--between", metavar="HH:MM-HH:MM", help="each day, for a goal that goes by a schedule"
    )


VERBS = (
    Verb(
        "signal",
        "numbers of your own that a change may be judged by, such as a request latency",
        (
            "jepa signal add checkout_p99 prometheus:http://127.0.0.1:9102/metrics#request_seconds:p99",
            "jepa signal list",
        ),
        actions=(
            Verb(
                "add",
                "have a number read once a second (as root)",
                (
                    "jepa signal add queue file:/run/shop/queue",
                    "jepa signal add checkout_p99 "
                    "prometheus:http://127.0.0.1:9102/metrics#request_seconds:p99",
                ),
                _source,
            ),
            Verb("remove", "read it no more (as root)", ("jepa signal remove queue",), _name),
            Verb(
                "list",
                "each signal, its value, and whether it can be trusted",
                ("jepa signal list", "jepa signal list --json"),
            ),
        ),
    ),
    Verb(
        "goal",
        "states of this machine that you show by example, to be reached again",
        ("jepa goal capture calm", "jepa goal reach calm"),
        asks_service=True,
        actions=(
            Verb(
                "capture",
                "keep what the machine is like now, under a name",
                ("jepa goal capture calm", "jepa goal capture calm --over 1m"),
                _capture,
                asks_service=True,
            ),
            Verb(
                "reach",
                "plan to make it like that again; changes nothing",
                ("jepa goal reach calm", "jepa goal reach calm --json"),
                _goal,
                asks_service=True,
            ),
            Verb(
                "list",
                "the states that were captured",
                ("jepa goal list", "jepa goal list --json"),
                asks_service=True,
            ),
            Verb(
                "remove",
                "forget one of yours",
                ("jepa goal remove calm",),
                _goal,
                asks_service=True,
            ),
            Verb(
                "standing",
                "goals that may be kept for good, such as a quiet foreground, and how each stands",
                ("jepa goal standing", "jepa goal standing --json"),
                asks_service=True,
            ),
            Verb(
                "keep",
                "keep one for good, as far as `jepa autonomy` says (as root)",
                (
                    "jepa goal keep quiet-foreground",
                    "jepa goal keep energy-by-schedule --between 22:00-06:00",
                ),
                _keep,
                asks_service=True,
            ),
            Verb(
                "release",
                "keep it no longer, and take back what was done for it (as root)",
                ("jepa goal release quiet-foreground",),
                _kept,
                asks_service=True,
            ),
        ),
    ),
)
