# SPDX-License-Identifier: Apache-2.0
"""`jepa policy` shows the rules with their reasons, and checks a file before it is put in force."""

import json
from pathlib import Path

import pytest

from jepa.shell.cli import main


def test_each_rule_is_shown_with_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "show"]) == 0
    shown = capsys.readouterr().out
    assert main(["policy", "show", "--json"]) == 0
    rules = json.loads(capsys.readouterr().out)["rules"]
    assert rules
    for rule in rules:
        assert rule["id"] in shown
        assert rule["reason"] in shown


GOOD = '[[forbid]]\nid = "no-swap"\naction = ["vm.swappiness"]\nreason = "It is set by hand."\n'


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (GOOD, 0),
        ("", 0),
        ("x = [", 1),
        ("[[forbid]]\nid = 3\n", 1),
        ("[[allow]]\n", 1),
        ("[budget]\nactions_per_hour = -1\n", 1),
        (GOOD * 2, 1),
    ],
)
def test_a_file_is_checked_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, status: int
) -> None:
    path = tmp_path / "own.toml"
    path.write_text(content)
    assert main(["policy", "check", str(path)]) == status
    said = capsys.readouterr()
    assert str(path) in said.out + said.err
    assert len((said.out + said.err).splitlines()) == 1


def test_a_file_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "check", str(tmp_path / "none")]) == 1
    assert "cannot be read" in capsys.readouterr().err
