# SPDX-License-Identifier: Apache-2.0
"""Completion in real shells that have read no startup file and have no completion package."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.unit.shell.ptys import Line, started

SRC = Path(__file__).parents[3] / "userland" / "src"
BASH, ZSH, FISH = ["bash", "--norc", "--noprofile", "-i"], ["zsh", "-f", "-i"], ["fish", "--no-config", "-i"]
MOVES = r"(?:\x1b\[[0-9;?]*[A-Za-z]|\x1b\(B|\r)*"
"""What a shell sends between two words to move and colour them."""


@contextmanager
def running(program: Path) -> Iterator[None]:
    with subprocess.Popen([program, "600"]) as process:
        try:
            yield
        finally:
            process.kill()


@contextmanager
def ready(folder: Path, shell: list[str], load: str) -> Iterator[Line]:
    """A shell in a terminal that has loaded our completion, with a jepa of this tree in its PATH."""
    jepa = folder / "bin" / "jepa"
    jepa.parent.mkdir()
    code = "import sys; from jepa.shell.cli import main; sys.exit(main())"
    jepa.write_text(f"#!/bin/sh\nPYTHONPATH={SRC} exec {sys.executable} -c '{code}' \"$@\"\n")
    jepa.chmod(0o755)
    path = f"{jepa.parent}:{os.environ['PATH']}"
    home = str(folder)  # neither history nor a cache of completions
    with started(shell, (40, 120), TERM="xterm", PATH=path, HOME=home, ZDOTDIR=home, PS1="ready> ") as line:
        line.expect("ready> " if shell is not FISH else "[#>] ")
        line.type(f"{load}; echo LOAD''ED\r")
        line.expect("LOADED\r?\n")
        yield line


def assert_completes(line: Line, typed: str, whole: str) -> None:
    line.type(f"{typed}\t")
    line.expect(f" {MOVES}".join(whole.split()))
    line.type("\x15")


@pytest.mark.parametrize(
    ("shell", "load"),
    [
        (BASH, 'eval "$(jepa completion bash)"'),
        (ZSH, 'eval "$(jepa completion zsh)"'),
        (FISH, "jepa completion fish | source"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_a_bare_shell_completes_verbs_actions_and_their_flags(
    tmp_path: Path, shell: list[str], load: str
) -> None:
    name = f"tab{os.getpid()}x"  # a live target, by a name that only one process has
    program = tmp_path / name
    shutil.copy(shutil.which("sleep") or "", program)
    with running(program), ready(tmp_path, shell, load) as line:
        for typed, whole in (
            ("jepa fore", "jepa forecast "),
            ("jepa packs bu", "jepa packs build "),
            ("jepa vision re", "jepa vision reach "),
            ("jepa packs list --pa", "jepa packs list --pack "),
            ("jepa act vm.swap", "jepa act vm.swappiness "),
            ("jepa act net.core.default_qdisc fq_", "jepa act net.core.default_qdisc fq_codel "),
            ("jepa act --yes kernel.sched_auto", "jepa act --yes kernel.sched_autogroup_enabled "),
            (f"jepa act process.nice {name[:-1]}", f"jepa act process.nice {name} "),
            ("jepa --local actions vm.swap", "jepa --local actions vm.swappiness "),
        ):
            assert_completes(line, typed, whole)
        line.type("jepa packs list --ch\t")  # a flag of another action
        line.type("\x15echo DO''NE\r")
        assert "--checkpoint" not in line.expect("DONE\r?\n")


@pytest.mark.parametrize(
    ("shell", "load"),
    [
        (BASH, "source <(jepa completion bash)"),
        (ZSH, "source <(jepa completion zsh)"),
        (BASH, 'set -u; IFS=:; shopt -s failglob nocasematch; eval "$(jepa completion bash)"'),
        (ZSH, 'setopt ksharrays nounset shwordsplit noglob; eval "$(jepa completion zsh)"'),
    ],
    ids=["bash-source", "zsh-source", "bash-options", "zsh-options"],
)
def test_neither_source_nor_options_of_the_shell_change_anything(
    tmp_path: Path, shell: list[str], load: str
) -> None:
    with ready(tmp_path, shell, load) as line:
        assert_completes(line, "jepa fore", "jepa forecast ")
        assert_completes(line, "jepa act vm.swap", "jepa act vm.swappiness ")
