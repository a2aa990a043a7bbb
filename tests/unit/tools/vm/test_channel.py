# SPDX-License-Identifier: Apache-2.0
"""The channel understands its own shell, whatever a command prints, and nothing else."""

import base64
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.vm.channel import GUEST_SHELL, Answer, parse_answer, repeated, shell_credentials


@given(st.text(), st.text(), st.integers(0, 255), st.integers(1, 10**6))
def test_answer_survives_any_output(out: str, err: str, status: int, number: int) -> None:
    out, err = (text.encode(errors="replace").decode() for text in (out, err))
    fields = [base64.b64encode(text.encode()).decode() for text in (out, err)]
    line = f"@{number} {status} :{fields[0]} :{fields[1]}".encode()
    assert parse_answer(line, number) == Answer(status, out, err)
    assert parse_answer(line, number + 1) is None


@given(st.binary().filter(lambda line: b"\n" not in line and not line.startswith(b"@7 ")))
def test_noise_is_no_answer(line: bytes) -> None:
    assert parse_answer(line, 7) is None


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[tuple[int, int]]:
    """The guest's script itself, speaking through a pair of pipes instead of the port."""
    to_guest, from_guest = tmp_path / "in", tmp_path / "out"
    os.mkfifo(to_guest)
    os.mkfifo(from_guest)
    script = GUEST_SHELL.read_text()
    script = script.replace('exec 3<>"$port"', f"exec 3<{to_guest} 4>{from_guest}")
    script = script.replace('[ -c "$port" ]', "true").replace("} >&3", "} >&4")
    script = script.replace("/run/jepa-test", f"{tmp_path}/jepa-test")
    process = subprocess.Popen(["sh", "-c", script])
    opened: list[int] = []
    reader = threading.Thread(target=lambda: opened.append(os.open(from_guest, os.O_RDONLY)))
    reader.start()
    write = os.open(to_guest, os.O_WRONLY)
    reader.join(10)
    yield write, opened[0]
    process.kill()
    process.wait()
    os.close(write)
    os.close(opened[0])


def ask(shell: tuple[int, int], number: int, command: str, limit: int = 10) -> Answer | None:
    os.write(shell[0], f"{number} {limit} {base64.b64encode(command.encode()).decode()}\n".encode())
    line = b""
    while not line.endswith(b"\n"):
        line += os.read(shell[1], 65536)
    return parse_answer(line[:-1], number)


def test_shell_gives_status_and_both_streams(shell: tuple[int, int]) -> None:
    assert ask(shell, 1, "printf 'a :b\\n@1 0 :'; echo no >&2; exit 3") == Answer(3, "a :b\n@1 0 :", "no\n")
    assert ask(shell, 2, "true") == Answer(0, "", "")


def test_shell_outlives_what_hangs_and_what_stays_behind(shell: tuple[int, int]) -> None:
    hung = ask(shell, 1, "sleep 60", limit=1)
    assert hung is not None
    assert hung.status == 124
    assert ask(shell, 2, "sleep 60 & echo gone") == Answer(0, "gone\n", "")


def test_credentials_begin_the_shell_outside_the_initrd_only() -> None:
    given_ = shell_credentials()
    unit = given_["systemd.extra-unit.jepa-test-shell.service"]
    assert "ConditionPathExists=!/etc/initrd-release" in unit
    assert "jepa-test-shell.service" in given_["systemd.unit-dropin.sysinit.target"]


@pytest.mark.parametrize(
    ("command", "answer", "runs"),
    [
        ("echo {a} '$b' \"c\"", Answer(0, "{a} $b c\n", ""), 1),
        ("test $(wc -l <runs) -ge 3 && echo three # times", Answer(0, "three\n", ""), 3),
        ("echo out; echo why >&2; exit 7", Answer(7, "out\n", "why\n"), 4),
        ("cat <<'END'\nlines\nEND", Answer(0, "lines\n", ""), 1),
        ("! grep nothing runs", Answer(0, "", ""), 1),
    ],
)
def test_a_command_is_repeated_until_it_succeeds_and_answers_as_its_last_run(
    command: str, answer: Answer, runs: int, tmp_path: Path
) -> None:
    script = repeated(f"echo run >>runs; {command}", tries=4, poll=0.01)
    script = script.replace("/run/jepa-test", f"{tmp_path}/jepa-test")
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert Answer(done.returncode, done.stdout, done.stderr) == answer
    assert len((tmp_path / "runs").read_text().splitlines()) == runs
