# SPDX-License-Identifier: Apache-2.0
"""Shares follow the rules of the kernel: weights where CPUs are short, and never more than a quota."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from jepa.world.controls import CONTROLS, HostSize, strength
from jepa_lab.model.shares import gains

HOST = HostSize(cpus=1)
HUNGRY, CONTENT = 1.0, 0.0
Use = tuple[float, float]
shares = st.floats(0, 0.5)
settings = st.fixed_dictionaries(
    {},
    optional={
        ("cpu.weight", "foreground"): st.integers(1, 10_000),
        ("cpu.weight", "background"): st.integers(1, 10_000),
        ("cpu.max", "foreground"): st.integers(3, 200),
        ("cpu.max", "background"): st.integers(3, 200),
        ("pause", "background"): st.just(1),
    },
)


def vector(of: dict[tuple[str, str], int]) -> Tensor:
    told = torch.zeros(1, len(CONTROLS))
    for (action, role), value in of.items():
        told[0, CONTROLS.index((action, role))] = strength(action, value, HOST)
    return told


def gained(after: dict[tuple[str, str], int], used: Use, waiting: Use, others: float = 0.0) -> list[float]:
    """What foreground and background gain when ``after`` is set and nothing was."""
    busy = torch.tensor([[sum(used) + others]])
    told = gains(vector({}), vector(after), torch.tensor([used]), torch.tensor([waiting]), busy)
    return [float(each) for each in told[0, :2]]


@pytest.mark.parametrize(
    ("after", "used", "waiting", "expected"),
    [
        ({("pause", "background"): 1}, (0.5, 0.5), (HUNGRY, HUNGRY), (0.5, -0.5)),
        ({("pause", "background"): 1}, (0.2, 0.5), (CONTENT, CONTENT), (0.0, -0.5)),
        ({("cpu.max", "background"): 25}, (0.5, 0.5), (HUNGRY, HUNGRY), (0.25, -0.25)),
        ({("cpu.max", "background"): 75}, (0.5, 0.5), (HUNGRY, HUNGRY), (0.0, 0.0)),
        ({("cpu.max", "foreground"): 10}, (0.05, 0.5), (CONTENT, CONTENT), (0.0, 0.0)),
        ({("cpu.weight", "foreground"): 300}, (0.5, 0.5), (HUNGRY, HUNGRY), (0.25, -0.25)),
        ({("cpu.weight", "foreground"): 300}, (0.2, 0.5), (CONTENT, CONTENT), (0.0, 0.0)),
    ],
)
def test_what_the_rules_say(
    after: dict[tuple[str, str], int], used: Use, waiting: Use, expected: Use
) -> None:
    assert gained(after, used, waiting) == pytest.approx(expected, abs=1e-3)


@given(settings, shares, shares, st.floats(0, 1), st.floats(0, 1))
def test_no_more_is_given_than_there_is_nor_than_a_quota_allows(
    after: dict[tuple[str, str], int], foreground: float, background: float, one: float, other: float
) -> None:
    used = (foreground, background)
    got = [had + more for had, more in zip(used, gained(after, used, (one, other)), strict=True)]
    assert sum(got) <= 1 + 1e-5
    for role, share in zip(("foreground", "background"), got, strict=True):
        assert -1e-6 <= share <= after.get(("cpu.max", role), 100) / 100 + 1e-5
    if ("pause", "background") in after:
        assert got[1] == pytest.approx(0, abs=1e-6)


@given(settings, shares, shares, st.floats(0, 1), st.floats(0, 1))
def test_what_does_not_change_gains_nothing_by_the_rules(
    kept: dict[tuple[str, str], int], foreground: float, background: float, one: float, other: float
) -> None:
    used, waiting = torch.tensor([[foreground, background]]), torch.tensor([[one, other]])
    told = gains(vector(kept), vector(kept), used, waiting, used.sum(-1, keepdim=True))
    assert not told[0, 2:4].any()


def test_one_that_was_paused_is_taken_to_want_all_it_can_get() -> None:
    paused = vector({("pause", "background"): 1})
    told = gains(
        paused, vector({}), torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 0.0]]), torch.ones(1, 1)
    )
    assert float(told[0, 1]) > 0
