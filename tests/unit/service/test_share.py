# SPDX-License-Identifier: Apache-2.0
"""jepad gives way as far as its frames come in time, and not while somebody waits for a plan."""

import subprocess
import sys
from pathlib import Path

import pytest

from jepa.service.share import IDLE, LEAST, LOST, START, USUAL, Share


@pytest.fixture
def written() -> list[int]:
    return []


@pytest.fixture
def share(written: list[int]) -> Share:
    return Share(written.append)


def test_it_begins_with_much_and_goes_on_from_the_usual(share: Share, written: list[int]) -> None:
    assert written == [START]
    share.waited(0.3, 1.0)
    assert written == [START, USUAL]


def test_frames_that_come_quickly_lower_it_to_the_least(share: Share, written: list[int]) -> None:
    for _ in range(20):
        share.waited(0.01, 1.0)
    assert written == [START, 50, 25, 12, 6, LEAST]


def test_frames_that_wait_long_raise_it_to_the_usual(share: Share, written: list[int]) -> None:
    for _ in range(10):
        share.waited(0.01, 1.0)
    del written[:]
    for _ in range(10):
        share.waited(0.5, 1.0)
    assert written == [6, 12, 24, 48, 96, USUAL]


def test_it_settles_where_frames_are_neither_quick_nor_late(share: Share, written: list[int]) -> None:
    """Beside work that takes all there is a frame of 40 ms waits 40 ms times the weights of the others."""
    weight = USUAL
    for _ in range(50):
        share.waited(0.04 * 100 / weight, 1.0)
        weight = written[-1]
    assert len(written) == len(set(written)) < 6


def test_a_plan_in_haste_has_the_usual_weight_and_gives_it_back(share: Share, written: list[int]) -> None:
    for _ in range(3):
        share.waited(0.0, 1.0)
    with share.in_haste():
        with share.in_haste():
            share.waited(0.0, 1.0)
        assert written[-1] == USUAL
    assert written[-2:] == [USUAL, 12]


def test_a_frame_that_does_not_come_brings_the_usual_weight(written: list[int]) -> None:
    now_s = [100.0]
    share = Share(written.append, now_s=lambda: now_s[0])
    share.look()
    for _ in range(6):
        share.waited(0.0, 1.0)
    now_s[0] += LOST - 0.1
    share.look()
    assert written[-1] == LEAST
    now_s[0] += 0.2
    share.look()
    assert written[-1] == USUAL
    share.waited(2.0, 1.0)
    share.waited(0.1, 1.0)
    assert written[-1] == 50


def test_it_is_idle_only_while_it_gives_way_wholly(share: Share, written: list[int]) -> None:
    share.give_way(wholly=True)
    for _ in range(10):
        share.waited(0.01, 1.0)
    assert written == [START, 50, 25, 12, 6, LEAST, IDLE], "step by step, as far as frames come in time"
    share.waited(0.3, 1.0)
    assert written[-1] == IDLE
    share.waited(0.5, 1.0)
    assert written[-1] == LEAST
    share.waited(0.01, 1.0)
    assert written[-1] == IDLE
    share.give_way(wholly=False)
    assert written[-1] == LEAST
    share.waited(0.01, 1.0)
    assert written[-1] == LEAST


def test_the_end_of_a_task_does_not_slow_down_a_plan_in_haste(share: Share, written: list[int]) -> None:
    share.give_way(wholly=True)
    for _ in range(10):
        share.waited(0.01, 1.0)
    with share.in_haste():
        share.give_way(wholly=False)
        assert written[-1] == USUAL
    assert written[-1] == LEAST


def test_it_leaves_the_group_as_it_was(share: Share, written: list[int]) -> None:
    share.waited(0.0, 1.0)
    share.close()
    share.waited(0.0, 1.0)
    assert written == [START, 50, USUAL]


PASSED = """\
import os
os.dup2(os.open({file!r}, os.O_RDWR), 3)
os.dup2(os.open({file!r} + ".idle", os.O_RDWR), 4)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="2", LISTEN_FDNAMES="cpu.weight:cpu.idle")
import time
from jepa.service.share import own_share
share = own_share()
for _ in range(6):
    share.waited(0.0, 0.2)
print(os.pread(3, 16, 0)[:1].decode(), os.pread(4, 16, 0).decode(), flush=True)
share.give_way(wholly=True)
share.waited(0.0, 0.2)
print(os.pread(3, 16, 0)[:1].decode(), os.pread(4, 16, 0).decode(), flush=True)
time.sleep(2.5)
print(os.pread(4, 16, 0).decode(), flush=True)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The weight of the slice, beside it whether it is idle."""
    (tmp_path / "cpu.weight.idle").write_text("0")
    return tmp_path / "cpu.weight"


def test_it_writes_to_the_files_that_the_service_manager_opened(file: Path) -> None:
    file.write_text("100")
    script = PASSED.format(file=str(file))
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout == "3 0\n3 1\n0\n", "an idle group takes no weight"
    assert file.read_text().startswith("100"), "no frame came for long"


def test_what_a_jepad_that_was_killed_in_its_start_has_left_is_no_wish(file: Path) -> None:
    file.write_text(str(START))
    subprocess.run([sys.executable, "-c", PASSED.format(file=str(file))], check=True)
    assert file.read_text().startswith("100")


def test_what_a_person_has_given_the_slice_is_the_most(file: Path) -> None:
    file.write_text("400")
    subprocess.run([sys.executable, "-c", PASSED.format(file=str(file))], check=True)
    assert file.read_text().startswith("400")


def test_without_those_files_nothing_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    from jepa.service.share import own_share

    monkeypatch.delenv("LISTEN_PID", raising=False)
    share = own_share()
    share.waited(0.0, 1.0)
    share.close()
