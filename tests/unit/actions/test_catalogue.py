# SPDX-License-Identifier: Apache-2.0
"""The catalogue holds a closed set of actions that say all that a person needs."""

import importlib
import pkgutil

import pytest

from jepa.actions import action_types
from jepa.actions.action_types import NAMES
from jepa.actions.catalogue import ActionType, Tier, ValueType, action_type, catalogue
from jepa.actions.family import Family
from jepa.actions.registry import CLASSES, family_of
from jepa.errors import JepaError

ACTIONS = tuple(catalogue().values())


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.name)
def test_every_action_explains_itself(action: ActionType) -> None:
    assert action.summary and not action.summary.endswith(".")
    assert len(action.description.split()) >= 20
    assert action.example.startswith(f"jepa act {action.name}")
    assert action.family in CLASSES
    assert action.rate_per_hour > 0


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.name)
def test_what_an_action_names_exists(action: ActionType) -> None:
    assert set(action.excludes) <= set(catalogue())
    assert action.inverse in {"previous value", ""} | set(catalogue())
    family: Family = family_of(action)
    assert callable(family.apply)


def test_an_unknown_action_is_answered_with_the_nearest() -> None:
    with pytest.raises(JepaError, match=r"no action 'vm.swapiness'.*Did you mean vm.swappiness"):
        catalogue().find("vm.swapiness")


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.name)
def test_an_action_says_what_its_type_needs(action: ActionType) -> None:
    if action.type in (ValueType.INTEGER, ValueType.NUMBER, ValueType.PERCENT):
        assert action.minimum is not None
        assert action.maximum is not None
    if action.type is ValueType.CHOICE:
        assert action.choices or action.words
    if action.type is ValueType.NONE and action.reversible:
        assert action.constant is not None, "it applies nothing that could be taken back"


@pytest.mark.parametrize("family", NAMES)
def test_the_table_of_names_is_that_of_each_module(family: str) -> None:
    entries = importlib.import_module(f"jepa.actions.action_types.{family}").ACTIONS
    assert tuple(entry.name for entry in entries) == NAMES[family]
    assert {entry.family for entry in entries} == {family}


def test_the_table_has_every_module_and_no_name_twice() -> None:
    modules = {module.name for module in pkgutil.iter_modules(action_types.__path__)}
    assert set(NAMES) == modules == set(CLASSES)
    assert len(catalogue()) == sum(map(len, NAMES.values()))


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.name)
def test_one_is_found_alone_as_among_all(action: ActionType) -> None:
    assert action_type(action.name) == action
    assert action.setting


def test_shares_conserve_work_and_limits_do_not() -> None:
    conserving = {action.name for action in catalogue().values() if action.conserving}
    assert {"cpu.weight", "io.weight", "process.nice"} <= conserving
    limits = {"cpu.max", "memory.high", "memory.max", "io.rbps", "io.wiops", "unit.freeze", "process.pause"}
    assert not conserving & limits
    assert all(action.tier is Tier.TUNE for action in catalogue().values() if action.conserving)
