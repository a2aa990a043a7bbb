# SPDX-License-Identifier: Apache-2.0
"""The verb for many machines: fleet."""

from jepa.shell.usage import Parser, Verb, span


def _top(parser: Parser) -> None:
    parser.add_argument(
        "--prometheus", metavar="URL", help="the server, as http://HOST:9090 (default: $JEPA_PROMETHEUS)"
    )
    parser.add_argument("--job", default="jepa", help="of the machines in Prometheus (default: jepa)")
    parser.add_argument("--all", action="store_true", help="also those with nothing to look at")


def _otlp(parser: Parser) -> None:
    parser.add_argument(
        "--to", required=True, metavar="URL", help="a collector's OTLP over HTTP, as http://HOST:4318"
    )
    parser.add_argument("--every", type=span, default=60, metavar="SPAN", help="how often (default: 60s)")


VERBS = (
    Verb(
        "fleet",
        "look at many machines through Prometheus, or send the figures of this one to a collector",
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
            Verb(
                "otlp",
                "send this machine's running figures to an OpenTelemetry collector; needs the extra `otlp`",
                ("jepa fleet otlp --to http://collector.example.org:4318",),
                _otlp,
                prompt=False,
            ),
        ),
    ),
)
