# SPDX-License-Identifier: Apache-2.0
"""A process that is really killed, at any line of the transaction, leaves every setting committed or as it
was."""

import os
import random
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import jepa.actions
from jepa.actions.executor import Executor
from tests.unit.actions.file_machine import ME, FileMachine, assert_sound, memory_folder

TRACED = (str(Path(jepa.actions.__file__).parent), str(Path(__file__).with_name("file_machine.py")))
POINTS = 60
ROTATE_BYTES = 4000
"""Small, so that a new file of the journal begins in the middle of the story."""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    made = memory_folder(tmp_path)
    yield made
    shutil.rmtree(made)


def story(machine: FileMachine, executor: Executor, told: Callable[[str, str], None]) -> None:
    """Changes upon changes, undone in another order, some for a time, some expired."""

    def act(name: str, value: int, **more: Any) -> str:
        change = executor.act(machine.request(name, value, **more), ME)
        told(change.id, change.state)
        return change.id

    def undo(change_id: str) -> None:
        for each in executor.undo(ME, change_id):
            told(each.id, each.state)

    first, second = act("one", 1), act("one", 2)
    pair = act("pair", 3, task="t")
    undo(first)
    act("kept", 4, for_s=50)
    undo(second)
    act("once", 1)
    act("pair", 5, task="t")
    undo(pair)
    act("one", 6)
    machine.clock.sleep(60)
    for each in executor.expire_due():
        told(each.id, each.state)
    for each in executor.undo(ME, task="t"):
        told(each.id, each.state)


def run(machine: FileMachine, die_at: int) -> tuple[int, dict[str, str], int]:
    """Play the story in a process that is killed at line ``die_at``: status, what it told, lines it came
    to."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(reader)
            lines = 0

            def trace(frame: FrameType, event: str, argument: object) -> Any:
                nonlocal lines
                if not frame.f_code.co_filename.startswith(TRACED):
                    return None
                if event == "line":
                    lines += 1
                    if lines == die_at:
                        os.kill(os.getpid(), signal.SIGKILL)
                return trace

            sys.settrace(trace)
            executor = machine.start()
            story(machine, executor, lambda change, state: os.write(writer, f"{change} {state}\n".encode()))
            sys.settrace(None)
            os.write(writer, f"lines {lines}\n".encode())
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        told = dict(line.split() for line in pipe if line.endswith("\n"))
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return status, told, int(told.pop("lines", 0))


def kill_at(folder: Path, line: int) -> None:
    """Kill the process that plays the story at ``line``, and look at what is left."""
    machine = FileMachine(folder, rotate_bytes=ROTATE_BYTES)
    status, told, _ = run(machine, line)
    assert status == -signal.SIGKILL
    executor = machine.start()
    assert_sound(machine, executor, told)
    while executor.journal.in_force:
        executor.undo(ME)
    assert_sound(machine, executor, {})
    executor.journal.close()


def lines_of_the_story(folder: Path) -> int:
    status, told, lines = run(FileMachine(folder, rotate_bytes=ROTATE_BYTES), 0)
    assert (status, len(told)) == (0, 7)
    assert len(list((folder / "journal").glob("changes-*.log"))) > 1
    return lines


def test_killed_at_lines_all_over_the_transaction(folder: Path) -> None:
    lines = lines_of_the_story(folder / "whole")
    assert lines > 1000
    points = random.Random(0).sample(range(1, lines + 1), POINTS)
    for line in points:
        kill_at(folder / str(line), line)


@pytest.mark.slow
def test_killed_at_every_line_of_the_transaction(folder: Path) -> None:
    for line in range(1, lines_of_the_story(folder / "whole") + 1):
        kill_at(folder / str(line), line)


def test_a_recovery_that_is_killed_goes_on_at_the_next_start(folder: Path) -> None:
    machine = FileMachine(folder)
    for line in range(300, 4000, 170):
        status, _, lines = run(machine, line)
        if status == 0:
            assert lines
            break
    executor = machine.start()
    assert_sound(machine, executor, {})
    executor.journal.close()
