# SPDX-License-Identifier: Apache-2.0
"""The names of a task spec as units of this machine: programs and classes by the units in which they run."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from jepa.language.inventory import Inventory
from jepa.language.lexicon import lexicon

_ROLES: Final = ("foreground", "background", "system")
_UNIT_ENDS: Final = (".service", ".scope", ".slice")


def resolve(spec: Mapping[str, Any], inventory: Inventory) -> dict[str, Any]:
    """``spec`` with targets and what is protected as units; a name that means none here stays as it is.

    A class may mean several units: "the database" is each unit in which a database runs. What is protected
    stays protected under the name that was said, too, unless that is a class.
    """
    targets = _all(spec["targets"], inventory)
    protect = _all(spec["protect"], inventory)
    return {**spec, "targets": [name for name in targets if name not in protect], "protect": protect}


def units(name: str, inventory: Inventory) -> list[str]:
    """The units that ``name`` means here, by their names; none for a role, and for what is not here."""
    if name in _ROLES:
        return []
    for unit in (name, *(name + end for end in _UNIT_ENDS)):
        if unit.endswith(_UNIT_ENDS) and inventory.knows(unit):
            return [unit]
    programs = lexicon().classes.get(tuple(name.split()), (name,))
    # The kernel keeps 15 letters of a program's name.
    return sorted({unit for program in programs for unit in inventory.units_of(program[:15])})


def _all(names: Iterable[str], inventory: Inventory) -> list[str]:
    return list(dict.fromkeys(unit for name in names for unit in units(name, inventory) or [name]))
