# SPDX-License-Identifier: Apache-2.0
"""The verb for many machines: fleet."""

from jepa.shell.usage import Parser, Verb


def _top(parser: Parser) -> None:
    parser.add_argument(
        "--prometheus", metavar="URL", help="the server, as http://HOST:9090 (default: $JEPA_PROMETHEUS)"
    )
    parser.add_argument("--job", default="jepa", help="of the machines in Prometheus (default: jepa)")
    parser.add_argument("--all", action="store_true", help="also those with nothing to look at")


VERBS = (
    Verb(
        "fleet",
        "look at many machines, through the Prometheus server that scrapes them",
        ("jepa fleet top --prometheus http://localhost:9090",),
        actions=(
            Verb(
                "top",
                "the machines that surprise, warn or regress, the worst first",
                (
                    "jepa fleet top --prometheus http://localhost:9090",
                    "jepa fleet top --all --json",
                ),
                _top,
            ),
        ),
    ),
)
