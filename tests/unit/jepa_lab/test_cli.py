# SPDX-License-Identifier: Apache-2.0
"""The command line: what it takes, what it imports, and the version of a pack that is built anew."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from jepa.errors import JepaError
from jepa.packs.pack import load_pack
from jepa_lab.cli import COMMANDS, main
from jepa_lab.commands.defaults import PACK, version_in


def test_the_version_is_that_of_the_pack_which_is_replaced(tmp_path: Path) -> None:
    shipped = Path(__file__).parents[3] / PACK
    assert version_in(shipped) == load_pack(shipped).manifest.version
    assert version_in(tmp_path) == "0.1.0"


def test_a_pack_without_a_version_is_named_with_the_remedy(tmp_path: Path) -> None:
    for content in ("version", 'name = "machine"'):
        (tmp_path / "pack.toml").write_text(content)
        with pytest.raises(JepaError, match="has no version") as refused:
            version_in(tmp_path)
        assert "--version" in refused.value.remedy


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert re.findall(r"^    (\S+)", capsys.readouterr().out, re.MULTILINE) == list(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_explains_its_own_options_alone(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: jepa-lab {command} ")


@pytest.mark.parametrize("words", [[], ["no-such-command"], ["record", "--episodes", "3"]])
def test_wrong_usage_exits_2(words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2


def test_a_refusal_is_one_sentence_with_its_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["record", "--plan", "none-such"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("jepa-lab: There is no plan 'none-such'.")
    assert "Choose one of" in said


def test_help_loads_neither_pytorch_nor_the_peers() -> None:
    program = (
        "import sys; from jepa_lab.cli import main\n"
        "try: main(['--help'])\n"
        "finally: print([name for name in ('torch', 'lightgbm', 'onnxruntime') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
