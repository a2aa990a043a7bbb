# SPDX-License-Identifier: Apache-2.0
"""The verbs of what a goal may name: signals."""

from jepa.shell.usage import Parser, Verb


def _name(parser: Parser) -> None:
    parser.add_argument("name", metavar="NAME", help="lower-case letters, digits and underscores")


def _source(parser: Parser) -> None:
    _name(parser)
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="prometheus:http://127.0.0.1:PORT/metrics#METRIC[:p99], file:/PATH or unix:/PATH",
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
)
