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

from tests.unit.shell.ptys import started

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


@pytest.mark.parametrize(
    ("shell", "load"),
    [
        (BASH, 'eval "$(jepa completion bash)"'),
        (BASH, "source <(jepa completion bash)"),
        (ZSH, 'eval "$(jepa completion zsh)"'),
        (ZSH, "source <(jepa completion zsh)"),
        (FISH, "jepa completion fish | source"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_a_bare_shell_completes_verbs_actions_and_their_flags(
    tmp_path: Path, shell: list[str], load: str
) -> None:
    jepa = tmp_path / "bin" / "jepa"
    jepa.parent.mkdir()
    code = "import sys; from jepa.shell.cli import main; sys.exit(main())"
    jepa.write_text(f"#!/bin/sh\nPYTHONPATH={SRC} exec {sys.executable} -c '{code}' \"$@\"\n")
    jepa.chmod(0o755)
    name = f"tab{os.getpid()}x"  # a live target, by a name that only one process has
    program = tmp_path / name
    shutil.copy(shutil.which("sleep") or "", program)
    path = f"{jepa.parent}:{os.environ['PATH']}"
    home = str(tmp_path)  # neither history nor a cache of completions
    with (
        running(program),
        started(shell, (40, 120), TERM="xterm", PATH=path, HOME=home, ZDOTDIR=home, PS1="ready> ") as line,
    ):
        line.expect("ready> " if shell is not FISH else "[#>] ")
        line.type(f"{load}; echo LOAD''ED\r")
        line.expect("LOADED\r?\n")
        for typed, whole in (
            ("jepa fore\t", "jepa forecast "),
            ("jepa packs bu\t", "jepa packs build "),
            ("jepa vision re\t", "jepa vision reach "),
            ("jepa packs list --pa\t", "jepa packs list --pack "),
            ("jepa act vm.swap\t", "jepa act vm.swappiness "),
            ("jepa act net.core.default_qdisc fq_\t", "jepa act net.core.default_qdisc fq_codel "),
            ("jepa act --yes kernel.sched_auto\t", "jepa act --yes kernel.sched_autogroup_enabled "),
            (f"jepa act process.nice {name[:-1]}\t", f"jepa act process.nice {name} "),
            ("jepa --local actions vm.swap\t", "jepa --local actions vm.swappiness "),
        ):
            line.type(typed)
            line.expect(f" {MOVES}".join(whole.split()))
            line.type("\x15")
        line.type("jepa packs list --ch\t")  # a flag of another action
        line.type("\x15echo DO''NE\r")
        assert "--checkpoint" not in line.expect("DONE\r?\n")
