# SPDX-License-Identifier: Apache-2.0
"""The catalogue holds a closed set of actions that say all that a person needs."""

from pathlib import Path

import pytest

from jepa.actions.catalogue import ActionType, catalogue, load
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


def test_an_entry_without_a_range_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(
        '[[action]]\nname="a"\ntarget="machine"\ntype="integer"\ntier="tune"\n'
        'summary="s"\ndescription="d"\nexample="e"\n'
    )
    with pytest.raises(ValueError, match="a has no range"):
        load(tmp_path)
