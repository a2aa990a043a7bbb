# SPDX-License-Identifier: Apache-2.0
"""The command on real terminals and broken streams: no name, no size, no type, nobody at the other end."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jepa.shell.terminal import Terminal
from tests.unit.shell.ptys import started

JEPA = [sys.executable, "-c", "import sys; from jepa.shell.cli import main; sys.exit(main())"]
SIZES = [(24, 80), (0, 0), (1, 1), (24, 1), (1, 80), (5, 20)]


@pytest.fixture
def socket(served: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The socket of a running daemon, which is also the default one."""
    monkeypatch.setenv("JEPA_SOCKET", str(served.socket))
    path: Path = served.socket
    return path


def sh(script: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    """Run ``script`` in bash; ``jepa`` in it is the command."""
    jepa = f'jepa() {{ {shlex.join(JEPA)} "$@"; }}\n'
    return subprocess.run(
        ["bash", "-c", jepa + script],
        capture_output=True,
        encoding=environ.get("PYTHONIOENCODING", "utf-8"),
        timeout=60,
        env={**os.environ, **environ},
    )


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


@pytest.mark.parametrize("term", [None, "", "dumb", "unknown", "nonsense", "vt52"])
def test_a_terminal_of_an_unknown_type_gets_plain_lines(socket: Path, term: str | None) -> None:
    with started(JEPA, TERM=term) as line:
        said = line.expect("jepa: ready\r\njepa> ")
        assert "\x1b" not in said
        line.type("\x04")
        assert line.status() == 0


@pytest.mark.parametrize("size", SIZES)
def test_plain_lines_need_no_size(socket: Path, size: tuple[int, int]) -> None:
    with started(JEPA, size, TERM="vt220") as line:
        line.expect("jepa: ready\r\njepa> ")
        line.type("status\r")
        line.expect("telemetry")
        line.type("quit\r")
        assert line.status() == 0


@pytest.mark.parametrize("size", SIZES)
def test_the_full_screen_needs_no_size(socket: Path, size: tuple[int, int]) -> None:
    with started(JEPA, size, TERM="xterm-256color") as line:
        line.expect("\x1b\\[\\?1049h")
        for smaller in ((1, 1), (2, 3), (0, 0), (30, 100)):
            line.resize(*smaller)
            line.expect("\x1b\\[[0-9;]*H")
        line.expect("in band|no forecast|not yet judged")
        line.type("\x11")
        assert line.status() == 0


@pytest.mark.parametrize("columns", ["0", "1", "-3", "many", "99999999999"])
@pytest.mark.parametrize("words", [["status"], ["forecast"], ["vision", "embed", "--help"]], ids=" ".join)
def test_an_absurd_width_is_no_error(socket: Path, columns: str, words: list[str]) -> None:
    with started([*JEPA, *words], COLUMNS=columns, TERM="xterm") as line:
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
@pytest.mark.parametrize("words", ["status", "status --json", "--plain", "nonsense", "--help"])
def test_a_closed_standard_stream_is_like_dev_null(socket: Path, closed: str, words: str) -> None:
    done = sh(f"jepa {words} {closed}")
    assert done.returncode == (2 if words == "nonsense" else 0)
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize("words", ["status", "status --json", "--help", "watch --count 1"])
def test_output_that_cannot_be_written_is_an_error(socket: Path, words: str) -> None:
    done = sh(f"jepa {words} > /dev/full")
    assert done.returncode == 1
    assert done.stderr == "The output cannot be written: No space left on device.\n"


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
def test_names_in_any_bytes_are_shown_in_any_locale(environ: dict[str, str]) -> None:
    for path in ("/nowhere/\u00e9\u20ac\U0001f600", "/nowhere/\\xff\\xe9"):
        done = sh(f"jepa evaluate $'{path}'", **environ)
        assert (done.returncode, done.stdout) == (1, "")
        assert re.fullmatch(r"/nowhere/.* holds no recording\..*\n", done.stderr)
        done = sh(f"jepa evaluate $'{path}' --json", **environ)
        assert (done.returncode, done.stderr) == (1, "")
        assert json.loads(done.stdout)["error"]["problem"].startswith("/nowhere/")


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
