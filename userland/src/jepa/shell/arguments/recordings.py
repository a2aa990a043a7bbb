# SPDX-License-Identifier: Apache-2.0
"""Verbs for recordings: record, evaluate."""

from pathlib import Path

from jepa.shell.usage import Parser, Verb, positive, span


def _record(parser: Parser) -> None:
    parser.add_argument("folder", type=Path, metavar="DIR", help="a new directory")
    parser.add_argument(
        "--seconds", type=positive, metavar="N", help="stop after N seconds (default: at Ctrl-C)"
    )
    parser.add_argument("--limit", type=positive, metavar="MIB", help="above MIB, drop the oldest frames")
    parser.add_argument(
        "--every", type=span, metavar="SPAN", help="begin a new part below DIR each SPAN, such as 1h"
    )
    parser.add_argument(
        "--to", metavar="STORE", help="send each part, without names, to file:///DIR or s3://BUCKET/PREFIX"
    )
    parser.add_argument(
        "--key", type=Path, metavar="FILE", help="the fleet's key, for --to (default: /etc/jepa/fleet.key)"
    )


def _evaluate(parser: Parser) -> None:
    parser.add_argument("folder", type=Path, metavar="DIR", help="a recording made by `jepa record`")
    parser.add_argument("--pack", metavar="PACK", help="another than the default, by name or directory")


VERBS = (
    Verb(
        "record",
        "write frames to DIR as Parquet",
        (
            "jepa record day1",
            "jepa record day1 --seconds 600",
            "jepa record parts --to s3://recordings/fleet --key fleet.key",
        ),
        _record,
    ),
    Verb(
        "evaluate",
        "replay a recording through a pack",
        ("jepa evaluate day1", "jepa evaluate day1 --json"),
        _evaluate,
    ),
)
