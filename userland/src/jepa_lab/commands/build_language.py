# SPDX-License-Identifier: Apache-2.0
"""`jepa-lab build-language`: make the language pack's graph from the public weights and what was trained."""

import argparse

HELP = "make the language pack's graph from the public weights and what was trained"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It has none."""


def run(arguments: argparse.Namespace) -> None:
    """Run the command; raises JepaError with the remedy when it cannot."""
    from jepa_lab.language.pack import PACK, build

    build()
    print(f"{PACK}: made, and as its manifest names it")
