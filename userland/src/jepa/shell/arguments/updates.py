# SPDX-License-Identifier: Apache-2.0
"""Verbs for the system itself: its version, and whether its data are encrypted."""

from jepa.shell.usage import Parser, Verb


def _update(parser: Parser) -> None:
    parser.add_argument(
        "what",
        nargs="?",
        choices=("check", "apply", "rollback"),
        metavar="WHAT",
        help="check, apply or rollback; show the versions that are here when none is given",
    )
    parser.add_argument(
        "named",
        nargs="?",
        metavar="VERSION",
        help="with apply: this one, even if it is older than what runs (default: the newest if newer)",
    )
    parser.add_argument(
        "--from",
        dest="source",
        metavar="SOURCE",
        help="a directory or an http(s) address with a release (default: in /etc/jepa/update.toml)",
    )


def _encryption(parser: Parser) -> None:
    parser.add_argument(
        "what",
        nargs="?",
        choices=("recovery-key",),
        metavar="WHAT",
        help="recovery-key: show the key that opens the data without the TPM, once",
    )


VERBS = (
    Verb(
        "update",
        "the versions of the system; a newer one, or the one before (as root)",
        (
            "jepa update",
            "jepa update check --from /media/stick",
            "jepa update apply",
            "jepa update rollback",
        ),
        _update,
    ),
    Verb(
        "encryption",
        "whether the data on the disk are encrypted; their recovery key, once (as root)",
        ("jepa encryption", "jepa encryption recovery-key"),
        _encryption,
    ),
)
