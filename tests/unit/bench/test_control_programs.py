# SPDX-License-Identifier: Apache-2.0
"""The programs of bench-control do what they say, and follow the schedule."""

import itertools
import json
import time
from pathlib import Path

import pytest

from tests.bench import control_programs
from tests.bench.control_plan import PAIRS, order
from tests.bench.control_programs import FOREGROUNDS, KINDS, RATES, Schedule


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("foreground", "background"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(control_programs, "WORK", tmp_path)


@pytest.mark.parametrize("kind", FOREGROUNDS)
def test_an_operation_can_be_light_and_heavy(kind: str) -> None:
    operation = FOREGROUNDS[kind]()
    light, heavy = operation(False), operation(True)
    assert light is not None and heavy is not None
    assert RATES[kind] > 0


@pytest.mark.parametrize("kind", KINDS)
def test_work_comes_in_units_without_end(kind: str) -> None:
    assert all(done > 0 for done in itertools.islice(KINDS[kind](), 3))


def test_the_first_phase_lasts_until_there_is_a_beginning(tmp_path: Path) -> None:
    told = order(PAIRS[0], 1)
    file = tmp_path / "order.json"
    file.write_text(json.dumps(told))
    schedule = Schedule(file)
    assert schedule.phase() == told["phases"][0]
    (tmp_path / "begin").write_text(str(time.monotonic() - told["phases"][1]["begin_s"] - 1))
    assert schedule.phase() == told["phases"][1]


def test_after_the_end_the_last_phase_goes_on(tmp_path: Path) -> None:
    told = order(PAIRS[0], 1)
    (tmp_path / "order.json").write_text(json.dumps(told))
    (tmp_path / "begin").write_text(str(time.monotonic() - 10_000))
    assert Schedule(tmp_path / "order.json").phase() == told["phases"][-1]
