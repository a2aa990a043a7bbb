# SPDX-License-Identifier: Apache-2.0
"""Courses: which settings may be changed, to what, and the sequences that the model is asked about.

Actions and their values are those of the catalogue; the pack's own names of settings are known here alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from jepa.actions.catalogue import Tier, Value, action_type
from jepa.planning.protocols import IntArray
from jepa.telemetry.frame import BoolArray
from jepa.telemetry.roles import Role
from jepa.world.controls import HostSize, strength
from jepa.world.forecast import FloatArray

PACK_SETTING: Final = {
    "cpu.weight": "cpu.weight",
    "cpu.max": "cpu.max",
    "cpu.uclamp.max": "cpu.uclamp.max",
    "memory.high": "memory.high",
    "io.weight": "io.weight",
    "unit.freeze": "pause",
    "vm.swappiness": "swappiness",
}
"""The pack's name of what an action of the catalogue sets; of others no pack knows anything."""
IDLE: Final = "idle"
"""The weight of what runs only when nobody else wants to. To the graphs it is the least weight: in branches
it did what a weight of 1 did, or a little more."""
WEIGHTS: Final[tuple[Value, ...]] = (IDLE, 1, 10, 20, 50)
"""The strictest first, which is taken where two come to the same: it costs nobody anything."""
SHARES: Final = (0.75, 0.5, 0.25, 0.1)
"""Of all CPUs, for quotas."""


def control(action: str, role: Role | None) -> str | None:
    """The pack's name of ``action`` on ``role``, such as ``pause.background``; None where there is none."""
    setting = PACK_SETTING.get(action)
    return setting if setting is None or role is None else f"{setting}.{role}"


@dataclass(frozen=True, slots=True)
class Option:
    """One value of a setting."""

    action: str
    """Of the catalogue: a setting may have two, such as to freeze and to thaw."""
    value: Value
    strength: float
    """As the graphs are given it."""
    most: tuple[tuple[str, float], ...] = ()
    """Channels with what the kernel then lets them be at most, in their own units."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What may be set of the units of one role together, since that is what the model knows."""

    control: str
    """In the pack."""
    role: Role
    targets: tuple[str, ...]
    """The units."""
    present: Value
    options: tuple[Option, ...]
    """The first leaves it as it is."""


@dataclass(frozen=True, slots=True)
class CourseSpace:
    """All courses: one option of each setting, kept over the whole horizon.

    That is what forecasts under other settings mean in a pack: windows in which the first ones are kept.
    """

    settings: tuple[Setting, ...]
    controls: tuple[str, ...]  # A
    present: FloatArray  # (A,) what is set now
    steps: int  # S

    @property
    def options(self) -> tuple[int, ...]:
        """How many each setting has."""
        return tuple(len(setting.options) for setting in self.settings)

    def sequences(self, candidates: IntArray) -> FloatArray:
        """(K, S, A) of candidates (K, V)."""
        rows = np.repeat(self.present[None], len(candidates), axis=0)
        for at, setting in enumerate(self.settings):
            strengths = np.array([option.strength for option in setting.options], np.float32)
            rows[:, self.controls.index(setting.control)] = strengths[candidates[:, at]]
        return np.repeat(rows[:, None], self.steps, axis=1)

    def effort(self, candidates: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """(K,) each: settings changed, how far in all, and how many of the changes interrupt somebody.

        How far counts for limits alone: what conserves work takes from nobody what no other wants.
        """
        dose = np.zeros(len(candidates), np.float32)
        disrupting = np.zeros(len(candidates), np.float32)
        for at, setting in enumerate(self.settings):
            first = setting.options[0].strength
            doses = np.array(
                [
                    0.0 if action_type(option.action).conserving else abs(option.strength - first)
                    for option in setting.options
                ],
                np.float32,
            )
            tiers = [action_type(option.action).tier is not Tier.TUNE for option in setting.options]
            dose += doses[candidates[:, at]]
            disrupting += np.array([False, *tiers[1:]], np.float32)[candidates[:, at]]
        return (candidates > 0).sum(axis=1).astype(np.float32), dose, disrupting

    def limiting(self, candidates: IntArray) -> BoolArray:
        """(K,) which of them set anything that does not conserve work."""
        found = np.zeros(len(candidates), np.bool_)
        for at, setting in enumerate(self.settings):
            limits = [not action_type(option.action).conserving for option in setting.options]
            found |= np.array([False, *limits[1:]])[candidates[:, at]]
        return found


def weight_options(action: str, values: Sequence[Value], present: Value) -> list[Option]:
    """The usual weight and ``values``, as far as they differ from the ``present`` one."""
    usual = Option(action, "default", 0.0)
    found = [usual, *(present_option(action, each, 1, HostSize()) for each in values)]
    return [each for each in found if each.value != present]


def quota_options(
    role: Role, values: Sequence[int], present: Value, units: int, host: HostSize
) -> list[Option]:
    """No quota, and ``values`` in percent of one CPU for each of ``units``."""
    channel = f"system.role.{role}.cpu"
    found = [Option("cpu.max", "max", 0.0)]
    for each in values:
        of_all = min(100.0, units * each / host.cpus)
        found.append(Option("cpu.max", each, strength("cpu.max", units * each, host), ((channel, of_all),)))
    return [each for each in found if each.value != present]


def freeze_options(role: Role, present: Value) -> list[Option]:
    """Frozen, or running again."""
    if present == "frozen":
        return [Option("unit.thaw", "running", 0.0)]
    return [Option("unit.freeze", "frozen", 1.0, ((f"system.role.{role}.cpu", 0.0),))]


def present_option(action: str, present: Value, units: int, host: HostSize) -> Option:
    """What is set now, as an option. KeyError for an action that no pack knows."""
    if present in ("default", "max", "running"):
        return Option(action, present, 0.0)
    if present == "frozen":
        return Option(action, present, 1.0)
    if present == IDLE:
        return Option(action, present, strength(PACK_SETTING[action], 0, host))
    number = float(str(present)) * (units if action == "cpu.max" else 1)
    return Option(action, present, strength(PACK_SETTING[action], number, host))
