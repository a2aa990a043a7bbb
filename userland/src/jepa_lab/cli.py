# SPDX-License-Identifier: Apache-2.0
"""The `jepa-lab` command: hands over to the module of the command that is asked for."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from jepa.errors import JepaError

COMMANDS = (
    "record",
    "train",
    "ablate",
    "evaluate",
    "fleet",
    "effects",
    "train-visual",
    "build-visual",
    "judge-visual",
    "convert",
    "train-language",
    "build-language",
)
"""Names of the commands; each is a module of ``jepa_lab.commands``."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 done, 1 refused or failed, 2 usage."""
    words = sys.argv[1:] if argv is None else list(argv)
    # Modules of other commands are not touched: where recordings are made, they are not there.
    named = [name for name in COMMANDS if words[:1] == [name]]
    arguments = _parser(named or COMMANDS).parse_args(words)
    try:
        arguments.run(arguments)
    except JepaError as error:
        print(f"jepa-lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("jepa-lab: interrupted; run the same command to continue", file=sys.stderr)
        return 1
    return 0


def _parser(commands: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="jepa-lab",
        description="Record workloads, train and evaluate packs, and convert those of others.",
    )
    group = parser.add_subparsers(required=True, metavar="COMMAND")
    for name in commands:
        command = import_module(f"jepa_lab.commands.{name.replace('-', '_')}")
        own = group.add_parser(name, help=command.HELP, description=command.HELP)
        command.add_arguments(own)
        own.set_defaults(run=command.run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
