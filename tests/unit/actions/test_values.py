# SPDX-License-Identifier: Apache-2.0
"""Values are read as people write them, and nothing out of range gets through."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.actions.catalogue import ActionType, TargetKind, Tier, Value, ValueType
from jepa.actions.values import parse, same, shown
from jepa.errors import JepaError


def action(kind: ValueType, **more: Any) -> ActionType:
    return ActionType("a", "f", TargetKind.MACHINE, kind, Tier.TUNE, "s", "d", "jepa act a 1", "a", **more)


PERCENT = action(ValueType.PERCENT, minimum=1, maximum=800, words=("max",))
BYTES = action(ValueType.BYTES, minimum=4096, words=("max",))
RATE = action(ValueType.RATE, minimum=1, words=("max",))


@pytest.mark.parametrize(
    ("kind", "written", "value"),
    [
        (PERCENT, "40%", 40),
        (PERCENT, "max", "max"),
        (BYTES, "512M", 512 * 1024**2),
        (BYTES, "1.5GiB", 3 * 512 * 1024**2),
        (BYTES, "50%", 4 * 1024**3),
        (RATE, "vda:10M", "vda:10485760"),
        (RATE, "/dev/nvme0n1:max", "nvme0n1:max"),
        (RATE, "10M/s", 10485760),
    ],
)
def test_values_are_read_as_written(kind: ActionType, written: str, value: Value) -> None:
    assert parse(kind, written, memory_bytes=8 * 1024**3) == value


@pytest.mark.parametrize(
    "written", ["NaN", "inf", "-1", "1e30", "9" * 31, "0", "801%", "", "40 %%", None, True, "٤٠%"]
)
def test_what_is_out_of_range_is_refused_with_what_is_taken(written: Value) -> None:
    with pytest.raises(JepaError, match=r"a takes 1\.\.800% or max"):
        parse(PERCENT, written)


@given(st.one_of(st.text(), st.integers(), st.floats(), st.booleans(), st.none()))
def test_nothing_out_of_range_gets_through(written: Value) -> None:
    try:
        value = parse(PERCENT, written)
    except JepaError:
        return
    assert value == "max" or (isinstance(value, int) and 1 <= value <= 800)


@given(st.integers(4096, 2**62))
def test_what_is_shown_is_read_back_alike(count: int) -> None:
    assert parse(BYTES, shown(BYTES, count)) == count


@pytest.mark.parametrize("setting", ["cpu.weight", "io.weight"])
def test_a_weight_of_a_hundred_and_none_at_all_are_the_same(setting: str) -> None:
    assert same(setting, 100, "default")
    assert same(setting, "default", 100)
    assert same(setting, 20, 20)
    assert not same(setting, 20, "default")
    assert not same(setting, "idle", "default")


def test_of_other_settings_only_what_is_equal_is_the_same() -> None:
    assert same("cpu.max", "max", "max")
    assert not same("cpu.max", 100, "default")
    assert not same("cpu.max", 100, "max")
