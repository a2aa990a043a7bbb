# SPDX-License-Identifier: Apache-2.0
"""Every verb has a manual page with its options and examples, which groff sets without a complaint."""

import re
import subprocess
from pathlib import Path

import pytest

from jepa.shell import arguments
from tools.man_pages import main


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("man")
    assert main([str(folder)]) == 0
    return folder / "man1"


def shown(page: Path) -> str:
    """The page as man shows it, on lines that do not end."""
    command = ["groff", "-man", "-ww", "-Tascii", "-rLL=2000n", "-P-cbou", str(page)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    complaints = [each for each in done.stderr.splitlines() if "cannot adjust line" not in each]
    assert not complaints, complaints
    return re.sub(r" +", " ", done.stdout)


@pytest.mark.parametrize("verb", arguments.verbs(), ids=lambda verb: verb.name)
def test_a_verb_has_a_page_with_its_help_and_examples(pages: Path, verb: arguments.Verb) -> None:
    text = shown(pages / f"jepa-{verb.name}.1")
    assert f"jepa-{verb.name} - {verb.help}" in text
    for example in verb.examples:
        assert example in text
    for action in verb.actions:
        assert f"jepa {verb.name} {action.name}" in text


def test_the_first_page_leads_to_every_other(pages: Path) -> None:
    text = shown(pages / "jepa.1")
    assert all(f"jepa-{name}(1)" in text for name in arguments.NAMES)
    assert {page.name for page in pages.iterdir()} == {
        "jepa.1",
        *(f"jepa-{name}.1" for name in arguments.NAMES),
    }


def test_options_are_those_of_the_parser(pages: Path) -> None:
    text = shown(pages / "jepa-act.1")
    assert "--for SPAN" in text and "take it back after 90s, 30m, 12h or 7d" in text
    assert "EXIT STATUS" in text and "--words" not in shown(pages / "jepa-completion.1")
