# SPDX-License-Identifier: Apache-2.0
"""`jepa parse` says what it understood, and reads a file of anything in one process."""

import json
from pathlib import Path

import pytest

from jepa.shell.cli import main

Captured = pytest.CaptureFixture[str]


def test_a_person_reads_what_was_understood(capsys: Captured) -> None:
    assert main(["--local", "parse", "restart nginx if it fails and tell me"]) == 0
    assert capsys.readouterr().out == "understood: restart nginx, when it fails, and tell you\n"
    assert main(["parse", "--local", "order", "a", "pizza"]) == 0
    assert capsys.readouterr().out.startswith("not understood: ")


def test_a_program_reads_a_task_spec_with_every_field_of_the_contract(capsys: Captured) -> None:
    assert main(["parse", "limit gcc to 2 cores", "--json", "--local"]) == 0
    spec = json.loads(capsys.readouterr().out)
    assert (spec["intent"], spec["targets"], spec["amount"]) == (
        "limit",
        ["gcc"],
        {"value": 2.0, "unit": "cores"},
    )
    assert {
        "operation",
        "condition",
        "until",
        "protect",
        "notify",
        "goal",
        "confidence",
        "tier",
        "spans",
    } <= spec.keys()


def test_jepad_need_not_run(capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JEPA_SOCKET", str(tmp_path / "nobody"))
    assert main(["parse", "free memory"]) == 0
    assert "reclaim memory" in capsys.readouterr().out
    assert main(["parse", "free memory", "--socket", str(tmp_path / "nobody")]) == 1


def test_lines_of_anything_give_as_many_task_specs(tmp_path: Path, capsys: Captured) -> None:
    file = tmp_path / "lines"
    odd = [
        b"",
        b"\xff\xfe",
        b"restart\x00nginx",
        b"x" * 1_048_576,
        b"\xe2\x80\xaerestart nginx",
        b"\xf0\x9f\x9a\x80",
    ]
    lines = [b"free memory", *odd, b"a\rb", b"restart nginx"]
    file.write_bytes(b"\n".join(lines))
    assert main(["parse", "--lines", str(file), "--local"]) == 0
    specs = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [spec["intent"] for spec in specs] == ["reclaim", *["none"] * 7, "service"]
    assert all(spec["question"] for spec in specs[1:-1])


@pytest.mark.parametrize("words", [[], ["free memory", "--lines", "-"], ["--lines", "/nonexistent"]])
def test_one_sentence_or_one_file_is_wanted(words: list[str], capsys: Captured) -> None:
    assert main(["parse", "--local", *words]) == 2
    assert capsys.readouterr().err
