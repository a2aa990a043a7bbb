# SPDX-License-Identifier: Apache-2.0
"""docs/reference/cli.md has a row for each verb and action, with just the options that it takes."""

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from jepa.shell.parser import build_parser

REFERENCE = Path(__file__).parents[3] / "docs" / "reference" / "cli.md"
ELSEWHERE = {"--help", "--json", "--local"}
"""Options that many verbs take; they have a table of their own."""


def commands(parser: argparse.ArgumentParser, words: str = "") -> Iterator[tuple[str, set[str]]]:
    """Each verb or action that has none below it, with its long options."""
    options: set[str] = set()
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                yield from commands(below, f"{words} {name}".strip())
            return
        if action.help == argparse.SUPPRESS:
            continue
        options |= {option for option in action.option_strings if option.startswith("--")}
    yield words, options


COMMANDS = dict(commands(build_parser()))


@pytest.mark.parametrize("command", COMMANDS)
def test_the_reference_names_each_verb_with_its_options(command: str) -> None:
    (usage,) = re.findall(rf"^\| `({command}\b[^`]*)`", REFERENCE.read_text(), re.MULTILINE)
    # Those that ask jepad share --socket in the table of common options; serve listens on its own.
    shared = {"--socket"} if "--local" in COMMANDS[command] else set()
    assert set(re.findall(r"--[a-z-]+", usage)) == COMMANDS[command] - ELSEWHERE - shared


def test_the_reference_names_no_other_verb() -> None:
    table = REFERENCE.read_text().partition("| verb | does |")[2].partition("\n\n")[0]
    for row in re.findall(r"^\| `([a-z0-9 ]+)", table, re.MULTILINE):
        assert any(row.strip().startswith(command) for command in COMMANDS), row
