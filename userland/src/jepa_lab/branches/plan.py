# SPDX-License-Identifier: Apache-2.0
"""The plan of the trial laboratory: programs, machines and actions, and the split, as a TOML file says.

What is held out is named in the plan from the first day: whole programs by the software that they run, and
values of actions. ``schedule`` makes runs and moments of it.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path
from typing import Any, Final, Literal, get_args

from jepa.actions.catalogue import TargetKind, action_type
from jepa.errors import JepaError
from jepa.telemetry.roles import PLAYED

Split = Literal["train", "validation", "heldout"]
SPLITS: Final[tuple[Split, ...]] = get_args(Split)
Want = Literal["cpu", "memory", "disk", "read"]
WANTS: Final[tuple[Want, ...]] = get_args(Want)
Value = str | int | None


@dataclass(frozen=True, slots=True)
class Shape:
    """A virtual machine of one CPU, whose clock counts instructions."""

    name: str
    memory_mib: int
    """With the disk that the programs work on, which is in memory: tools/laboratory.py."""
    operations_per_s: int
    """Requests of 64 KiB at most that its disk does a second, in the machine's own time."""
    instruction_ns: int
    """What one instruction takes, a power of two: a slower CPU is recorded in less of the host's time."""
    tight: bool = False
    """Whether memory runs out with two programs that want it."""


@dataclass(frozen=True, slots=True)
class Program:
    """Something that works without end: a shell command in a directory of its own."""

    name: str
    software: str
    """What does the work; the split is by it, so that no part of what is held out is ever trained on."""
    split: Split
    wants: tuple[Want, ...]
    """What it takes much of."""
    command: str
    own: bool = False
    """Whether the work was made up for the laboratory; the others run what somebody else wrote."""


@dataclass(frozen=True, slots=True)
class Tried:
    """An action of the catalogue on one target, with the values that are tried."""

    action: str
    target: str
    """A unit, or a role; empty for the whole machine."""
    values: tuple[Value, ...]
    held_out: tuple[Value, ...]
    """Values of held-out moments, which no other moment has unless they are words."""
    wants: Want
    """Where it matters: the program in the role of ``target``, or any where it has none, wants this."""
    tight: bool = False
    """Whether it matters only where memory runs out."""

    @property
    def role(self) -> str:
        """The role of the target, or empty."""
        return next((role for role in PLAYED if role in self.target), "")

    def singles(self) -> "Iterator[Tried]":
        """It once for each value; held-out ones take turns."""
        for value, held_out in zip(self.values, cycle(self.held_out), strict=False):
            yield replace(self, values=(value,), held_out=(held_out,))


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that is to be recorded; ``schedule.runs_of`` has it in order."""

    seed: int
    runs: Mapping[Split, int]
    """How many of each split."""
    moments: int
    """Of each run."""
    courses: int
    """Tried at each moment, besides nothing."""
    context_s: int
    """Frames before a moment that are kept."""
    branch_s: int
    """Frames after it."""
    gap_s: tuple[int, int]
    """Between the end of a moment's branches and the next moment, at least and at most."""
    shapes: tuple[Shape, ...]
    programs: tuple[Program, ...]
    tried: tuple[Tried, ...]
    name: str = ""
    """Begins the names of its runs."""

    def about(self, want: Want, action: str = "") -> "Plan":
        """The part of it in which programs want ``want``, and actions are about that.

        With ``action`` it is that one alone, each of its values in a course of its own. It is for judging
        effects, which takes many courses; only training needs long contexts and branches.
        """
        tried = tuple(each for each in self.tried if each.wants == want)
        if action:
            tried = tuple(single for each in tried if each.action == action for single in each.singles())
        return replace(
            self,
            moments=2,
            courses=6,
            context_s=min(self.context_s, 40),
            branch_s=min(self.branch_s, 16),
            programs=tuple(each for each in self.programs if want in each.wants),
            tried=tried,
            name=f"{action or want}-",
        )


def load_plan(path: Path) -> Plan:
    """The plan in the file ``path``; JepaError saying what is wrong with it."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        plan = _plan(content)
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        reason = f"{error.args[0]} is missing" if isinstance(error, KeyError) else str(error)
        raise JepaError(f"The plan {path} cannot be used: {reason}.", "Correct the file.") from error
    problem = _problem(plan)
    if problem:
        raise JepaError(f"The plan {path} cannot be used: {problem}.", "Correct the file.")
    return plan


def _plan(content: Mapping[str, Any]) -> Plan:
    least, most = content["gap_s"]
    return Plan(
        seed=content["seed"],
        runs={split: content["runs"][split] for split in SPLITS},
        moments=content["moments"],
        courses=content["courses"],
        context_s=content["context_s"],
        branch_s=content["branch_s"],
        gap_s=(least, most),
        shapes=tuple(Shape(**each) for each in content["shape"]),
        programs=tuple(Program(**{**each, "wants": tuple(each["wants"])}) for each in content["program"]),
        tried=tuple(
            Tried(**{**each, "values": tuple(each["values"]), "held_out": tuple(each["held_out"])})
            for each in content["tried"]
        ),
    )


def _problem(plan: Plan) -> str:
    """What is wrong with ``plan``, or nothing."""
    for shape in plan.shapes:
        if shape.instruction_ns not in (1, 2, 4, 8, 16):
            return (
                f"an instruction of {shape.name} takes {shape.instruction_ns} ns, which is no power of two"
            )
    split_of: dict[str, str] = {}
    for program in plan.programs:
        if program.split not in SPLITS or not set(program.wants) <= set(WANTS):
            return f"{program.name} has an unknown split, or wants what there is not"
        if split_of.setdefault(program.software, program.split) != program.split:
            return f"{program.software} is in two splits"
    if 2 * sum(program.own for program in plan.programs) > len(plan.programs):
        return "more than half of the programs were made up"
    for each in plan.tried:
        action = action_type(each.action)
        if (action.target is TargetKind.MACHINE) == bool(each.target):
            return f"{each.action} has no target, or none that it can have"
        both = set(each.values) & set(each.held_out) - set(
            action.words
        )  # a word is held out by programs alone
        if both and action.takes_value:
            return f"a held-out value of {each.action} is also tried in training"
    for split in SPLITS:
        if plan.runs[split] and len({p.software for p in plan.programs if p.split == split}) < 2:
            return f"{split} has fewer than two programs of different software"
    return ""
