# SPDX-License-Identifier: Apache-2.0
"""The families by their names in the catalogue, imported when they are first used."""

from functools import cache
from importlib import import_module

from jepa.actions.catalogue import ActionType
from jepa.actions.family import Family

CLASSES = {
    "cgroup_file": "CgroupFile",
    "compressed_swap": "CompressedSwap",
    "cpufreq": "Cpufreq",
    "device": "Device",
    "freezer": "Freezer",
    "process": "Process",
    "restart_policy": "RestartPolicy",
    "sleep": "Sleep",
    "sysctl": "Sysctl",
    "unit_resources": "UnitResources",
    "unit_state": "UnitState",
}
"""The class of each module of ``jepa.actions.families``."""


@cache
def _family(name: str) -> Family:
    made: Family = getattr(import_module(f"jepa.actions.families.{name}"), CLASSES[name])()
    return made


def family_of(action: ActionType) -> Family:
    """What applies ``action``."""
    return _family(action.family)
