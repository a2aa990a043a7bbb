# SPDX-License-Identifier: Apache-2.0
"""The command on real terminals and broken streams: no name, no size, no type, nobody at the other end."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jepa.shell.terminal import Terminal
from tests.unit.shell.ptys import started

JEPA = [sys.executable, "-c", "import sys; from jepa.shell.cli import main; sys.exit(main())"]
EACH = """
import os, sys
from itertools import groupby
from jepa.shell.cli import main
found = []
for is_word, words in groupby(sys.argv[1:], ",".__ne__):
    if is_word and not (child := os.fork()):
        sys.argv[1:] = words
        sys.exit(main())
    if is_word:
        found.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
with open(os.environ["STATUSES"], "w") as statuses:  # only now: it may get the number of a closed stream
    print(*found, file=statuses)
"""
"""Runs commands, with a comma between two, each in a process of its own but all from one start of Python."""
SIZES = [(24, 80), (0, 0), (1, 1), (24, 1), (1, 80), (5, 20)]
TERMS = [None, "", "dumb", "unknown", "nonsense", "vt52"]


@pytest.fixture
def socket(served: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The socket of a running daemon, which is also the default one."""
    monkeypatch.setenv("JEPA_SOCKET", str(served.socket))
    path: Path = served.socket
    return path


def sh(script: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    """Run ``script`` in bash; ``jepa`` in it is the command, ``each`` runs several."""
    jepa = f'jepa() {{ {shlex.join(JEPA)} "$@"; }}\n'
    each = f'each() {{ {shlex.join([sys.executable, "-c", EACH])} "$@"; }}\n'
    return subprocess.run(
        ["bash", "-c", jepa + each + script],
        capture_output=True,
        encoding=environ.get("PYTHONIOENCODING", "utf-8"),
        timeout=60,
        env={**os.environ, **environ},
    )


@pytest.fixture
def statuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[int]]:
    """The exit statuses of what ``each`` ran."""
    path = tmp_path / "statuses"
    monkeypatch.setenv("STATUSES", str(path))
    return lambda: [int(each) for each in path.read_text().split()]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system")
def test_a_terminal_without_a_name_is_judged_by_its_type(socket: Path) -> None:
    # A new devpts hides the terminal's own device: ttyname fails with ENODEV, as in a container.
    hidden = 'mount -t devpts -o newinstance devpts /dev/pts && exec "$@"'
    command = ["unshare", "-m", "sh", "-c", hidden, "sh", *JEPA]
    with started(command, TERM="vt220") as line:
        line.expect("jepa: ready\r\njepa> ")
        line.type("quit\r")
        assert line.status() == 0
    with started(command, TERM="xterm-256color") as line:
        line.expect("\x1b\\[\\?1049h")  # the alternate screen
        line.expect("in band|no forecast|not yet judged")
        line.type("\x11")
        assert line.status() == 0


@pytest.mark.parametrize(("term", "size"), zip(TERMS, SIZES, strict=True))
def test_a_terminal_of_an_unknown_type_gets_plain_lines_which_need_no_size(
    socket: Path, term: str | None, size: tuple[int, int]
) -> None:
    with started(JEPA, size, TERM=term) as line:
        said = line.expect("jepa: ready\r\njepa> ")
        assert "\x1b" not in said
        line.type("status\r")
        line.expect("telemetry")
        line.expect("jepa> ")  # typed before, it would be the end of nothing
        line.type("\x04")
        assert line.status() == 0


@pytest.mark.parametrize("size", SIZES[1:])
def test_the_full_screen_needs_no_size(socket: Path, size: tuple[int, int]) -> None:
    with started(JEPA, size, TERM="xterm-256color") as line:
        line.expect("\x1b\\[\\?1049h")
        for smaller in ((1, 1), (2, 3), (0, 0), (30, 100)):
            line.resize(*smaller)
            line.expect("\x1b\\[[0-9;]*H")
        line.expect("in band|no forecast|not yet judged")
        line.type("\x11")
        assert line.status() == 0


@pytest.mark.parametrize("words", [["status"], ["forecast"], ["vision", "embed", "--help"]], ids=" ".join)
def test_an_absurd_width_is_no_error(socket: Path, words: list[str]) -> None:
    widths = ("0", "1", "-3", "many", "99999999999")
    at_each_width = (
        "import os, sys; from jepa.shell.cli import main\n"
        f"for width in {widths}:\n"
        "    os.environ['COLUMNS'] = width\n"
        "    print(width, 'columns:', main(sys.argv[1:]))"
    )
    with started([sys.executable, "-c", at_each_width, *words], TERM="xterm") as line:
        for width in widths:
            line.expect(f"\n{width} columns: 0\r\n")
        assert line.status() == 0


@pytest.mark.parametrize("term", ["xterm-256color", "vt220"])
def test_the_shell_ends_when_its_terminal_goes(socket: Path, term: str) -> None:
    # With nohup no signal tells it so, and it has to find out by itself.
    for command in (JEPA, ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", *JEPA]):
        with started(command, TERM=term) as line:
            line.expect("1049h" if term != "vt220" else "jepa> ")
            line.hang_up()
            line.exit_status(20.0)


def test_sigterm_leaves_the_terminal_as_it_was(socket: Path) -> None:
    with started(JEPA, TERM="xterm-256color") as line:
        line.expect("in band|no forecast|not yet judged")
        os.kill(line.pid, signal.SIGTERM)
        line.expect(r"\x1b\[\?1049l")  # back from the alternate screen
        assert line.status() == 0


def test_a_hang_up_ends_a_recording_with_the_frames_so_far(tmp_path: Path) -> None:
    with started([*JEPA, "record", str(tmp_path / "r")], TERM="xterm") as line:
        line.expect("[2-9] s, Ctrl-C ends it")
        line.hang_up()
        assert line.exit_status(60.0) in (0, 1)  # 1: nobody is left to be told where the frames are
    assert json.loads((tmp_path / "r" / "meta.json").read_text())["frames"] >= 2
    assert (tmp_path / "r" / "frames.parquet").exists()


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_standard_stream_is_like_dev_null(
    socket: Path, statuses: Callable[[], list[int]], closed: str
) -> None:
    done = sh(f"each status , status --json , --plain , nonsense , --help {closed}")
    assert done.returncode == 0
    assert statuses() == [0, 0, 0, 2, 0]
    assert "Traceback" not in done.stdout + done.stderr


def test_output_that_cannot_be_written_is_an_error(socket: Path, statuses: Callable[[], list[int]]) -> None:
    done = sh("each status , status --json , --help , watch --count 1 > /dev/full")
    assert statuses() == [1] * 4
    assert done.stderr == 4 * "The output cannot be written: No space left on device.\n"


@pytest.mark.parametrize(
    "script",
    [
        "jepa watch | head -1",
        "jepa watch --json | head -c 1",
        "jepa --local watch | head -1",
        "printf 'status\\nwatch\\n' | jepa | head -1",
        "printf 'watch\\n' | jepa | head -1",
    ],
)
def test_a_reader_that_leaves_ends_the_command_quietly(socket: Path, tmp_path: Path, script: str) -> None:
    done = sh(f"set -o pipefail; {script}", XDG_STATE_HOME=str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "environ",
    [
        {"LC_ALL": "C"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "latin-1"},
        {"PYTHONIOENCODING": "ascii"},
    ],
    ids=str,
)
def test_names_in_any_bytes_are_shown_in_any_locale(
    statuses: Callable[[], list[int]], environ: dict[str, str]
) -> None:
    paths = ("/nowhere/\u00e9\u20ac\U0001f600", "/nowhere/\\xff\\xe9")
    sentence = re.compile(r"jepad is not running \(no socket at /nowhere/.+\)\..*")
    for json_too in ("", " --json"):
        done = sh("each " + " , ".join(f"status --socket $'{path}'{json_too}" for path in paths), **environ)
        assert statuses() == [1, 1]
        said, nothing = (done.stdout, done.stderr) if json_too else (done.stderr, done.stdout)
        assert nothing == ""
        lines = said.removesuffix("\n").split("\n")
        if json_too:
            lines = [json.loads(line)["error"]["problem"] for line in lines]
        assert [bool(sentence.fullmatch(line)) for line in lines] == [True, True]


@pytest.mark.parametrize(
    ("environ", "colours"),
    [
        ({"TERM": "xterm-256color"}, True),
        ({"TERM": "linux"}, True),
        ({"TERM": "xterm", "NO_COLOR": ""}, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False),
        ({"TERM": "xterm-mono"}, False),
        ({"TERM": "rxvt-m"}, False),
        ({"TERM": "vt220"}, False),
        ({"TERM": "dumb"}, False),
        ({}, False),
    ],
)
def test_colours_where_they_are_shown_and_wanted(environ: dict[str, str], colours: bool) -> None:
    assert Terminal(True, "", "UTF-8", environ).colours is colours
