# SPDX-License-Identifier: Apache-2.0
"""`jepa-lab build-language`: make the language pack's graph from the public weights and what was trained."""

import argparse

HELP = "make the language pack's graph from the public weights and what was trained"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It has none."""


def run(arguments: argparse.Namespace) -> None:
    """Run the command; raises JepaError with the remedy when it cannot.

    Where the public weights cannot be had it says so and leaves the pack without its graph.
    """
    import sys

    from jepa.errors import JepaError
    from jepa_lab.language.carrier import UNREACHABLE
    from jepa_lab.language.pack import PACK, build

    try:
        build()
    except JepaError as error:
        if error.status != UNREACHABLE:
            raise
        print(f"{error} Without it, sentences are read by templates alone.", file=sys.stderr)
    else:
        print(f"{PACK}: made, and as its manifest names it")
