# SPDX-License-Identifier: Apache-2.0
"""The lab's actions: seeded, from the closed set, taken on groups of its own, and all taken back."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.errors import JepaError
from jepa.telemetry.recording import Action
from jepa.telemetry.roles import Roles
from jepa_lab.workloads.actions import SETTINGS, Act, Actor, plan_acts, plan_trials, written
from jepa_lab.workloads.groups import PLAYED, Groups
from jepa_lab.workloads.session import TRIAL_S


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tree whose files take what is written to them; a real one is in the VM tests."""
    tree = tmp_path / "sys/fs/cgroup"
    tree.mkdir(parents=True)
    (tree / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    swappiness = tmp_path / "proc/sys/vm/swappiness"
    swappiness.parent.mkdir(parents=True)
    swappiness.write_text("60\n")
    return tmp_path


@pytest.mark.parametrize("plan", [plan_acts, plan_trials])
@given(seed=st.integers(0, 1 << 32), held_out=st.booleans())
def test_a_plan_is_seeded_in_order_within_the_set_and_taken_back(
    plan: Callable[[int, float, bool], list[Act]], seed: int, held_out: bool
) -> None:
    acts = plan(seed, 240, held_out)
    assert acts == plan(seed, 240, held_out)
    assert [act.at_s for act in acts] == sorted(act.at_s for act in acts)
    open_: dict[tuple[str, str | None], int | None] = {}
    for act in acts:
        setting = SETTINGS[act.action]
        assert act.role in (setting.roles or (None,))
        allowed = setting.held_out if held_out else setting.values
        if (act.action, act.role) in open_:
            assert act.value == setting.usual
            del open_[act.action, act.role]
        else:
            assert act.value in allowed
            open_[act.action, act.role] = act.value


@given(seed=st.integers(0, 1 << 32), seconds=st.floats(60, 400))
def test_trials_are_one_at_a_time_and_got_over_before_the_next_programs(seed: int, seconds: float) -> None:
    acts = plan_trials(seed, seconds, False)
    free_at, programs = 0.0, 0.0
    for taken, undone in zip(acts[::2], acts[1::2], strict=True):
        assert (taken.action, taken.role) == (undone.action, undone.role)
        assert undone.value == SETTINGS[undone.action].usual
        if taken.at_s // TRIAL_S > programs:
            programs += 1
            free_at = programs * TRIAL_S + 5
        assert taken.at_s >= free_at + 5
        assert taken.at_s + 10 <= undone.at_s <= min((programs + 1) * TRIAL_S, seconds) - 5
        free_at = undone.at_s


def test_held_out_values_are_tried_nowhere_else() -> None:
    for name, setting in SETTINGS.items():
        assert name == "pause" or not set(setting.values) & set(setting.held_out)
        assert setting.usual not in (*setting.values, *setting.held_out)


@pytest.mark.parametrize(
    ("act", "file", "text"),
    [
        (Act(0, "cpu.weight", "background", 10), "lab.slice/background/cpu.weight", "10"),
        (Act(0, "cpu.max", "foreground", 25), "lab.slice/foreground/cpu.max", "25000 100000"),
        (Act(0, "cpu.max", "foreground", None), "lab.slice/foreground/cpu.max", "max 100000"),
        (Act(0, "memory.high", "background", 64), "lab.slice/background/memory.high", "67108864"),
        (Act(0, "memory.high", "background", None), "lab.slice/background/memory.high", "max"),
        (Act(0, "pause", "background", 1), "lab.slice/background/cgroup.freeze", "1"),
    ],
)
def test_what_is_written_is_what_the_kernel_wants(root: Path, act: Act, file: str, text: str) -> None:
    assert written(act, Groups(root), root) == (root / "sys/fs/cgroup" / file, text)


def test_actions_are_told_when_taken_and_what_was_there_before_comes_back(root: Path) -> None:
    told: list[Action] = []
    swappiness = root / "proc/sys/vm/swappiness"
    swappiness.write_text("37\n")
    acts = [
        Act(0.0, "cpu.weight", "background", 1),
        Act(0.0, "io.weight", "background", 1),  # which this kernel does not have
        Act(0.05, "swappiness", None, 180),
        Act(99, "pause", "background", 1),
    ]
    with Groups(root) as groups:
        weight = groups.folder("background") / "cpu.weight"
        weight.write_text("100\n")
        with Actor(acts, groups, told.append, root):
            end = time.monotonic() + 10
            while len(told) < 2:
                assert time.monotonic() < end
                time.sleep(0.01)
            assert weight.read_text() == "1"
            assert swappiness.read_text() == "180"
        assert weight.read_text() == "100\n"
    assert [(each.action, each.args) for each in told] == [
        ("cpu.weight", {"role": "background", "value": 1}),
        ("swappiness", {"role": None, "value": 180}),
    ]
    assert swappiness.read_text() == "37\n"


def test_while_they_last_the_groups_have_their_roles(root: Path) -> None:
    roles = Roles(root)
    with Groups(root) as groups:
        assigned = roles.at(0.0).groups
        assert {groups.folder(role): role for role in PLAYED} == assigned
    assert roles.at(1.0).groups == {}


def test_without_the_cpu_controller_it_is_one_sentence(root: Path) -> None:
    (root / "sys/fs/cgroup/cgroup.controllers").write_text("pids\n")
    with pytest.raises(JepaError, match="no CPU controller"), Groups(root):
        pass
