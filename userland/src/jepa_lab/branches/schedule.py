# SPDX-License-Identifier: Apache-2.0
"""From a plan to runs: which programs work side by side on which machine, when moments are, what is tried.

The same for the same plan: what is left to record is found by looking at what is there.
"""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jepa.telemetry.roles import PLAYED
from jepa_lab.branches.plan import SPLITS, Plan, Program, Shape, Split, Tried, Value

NOTHING = ("nothing", "nothing-again")
"""The branches without an action: what they differ by is chance."""
_BEGIN_S = (4, 30)
"""When the second program begins, after the first."""
_SECOND_STEP = 0.25
"""Probability that a course has a second step, half way through it."""


@dataclass(frozen=True, slots=True)
class Step:
    """One action, ``at_s`` seconds after the moment."""

    at_s: float
    action: str
    target: str
    value: Value


@dataclass(frozen=True, slots=True)
class Course:
    """What is done in one branch."""

    name: str
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Moment:
    """One instant of a run from which branches go."""

    name: str
    frame: int
    """Frames of the run before it."""
    courses: tuple[Course, ...]
    """The two of NOTHING first."""


@dataclass(frozen=True, slots=True)
class Start:
    """A program that begins after ``frame`` frames of its run."""

    frame: int
    role: str
    program: Program
    seed: int


@dataclass(frozen=True, slots=True)
class Run:
    """Two programs at work on one machine, and the moments along their way."""

    name: str
    split: Split
    shape: Shape
    starts: tuple[Start, ...]
    moments: tuple[Moment, ...]


def runs_of(plan: Plan) -> list[Run]:
    """All runs; those of the splits take turns, so that whatever is recorded first has some of each."""
    tried: Counter[Tried] = Counter()
    made: dict[Split, list[Run]] = {
        split: [_run(plan, split, number, tried) for number in range(plan.runs[split])] for split in SPLITS
    }
    order = [
        (number / max(len(runs), 1), split, run)
        for split, runs in made.items()
        for number, run in enumerate(runs)
    ]
    return [run for _, _, run in sorted(order, key=lambda each: each[:2])]


def _run(plan: Plan, split: Split, number: int, tried: "Counter[Tried]") -> Run:
    rng = random.Random(f"{plan.seed} {split} {number}")
    programs = [program for program in plan.programs if program.split == split]
    front = programs[number % len(programs)]
    back = rng.choice([program for program in programs if program.software != front.software])
    if rng.random() < 0.5:
        front, back = back, front
    fitting = [shape for shape in plan.shapes if not shape.tight or "memory" in (*front.wants, *back.wants)]
    shape = fitting[rng.randrange(len(fitting))]
    begins = sorted((0, rng.randint(*_BEGIN_S)))
    if rng.random() < 0.5:
        begins.reverse()
    starts = tuple(
        Start(begin, role, program, rng.getrandbits(31))
        for begin, role, program in zip(begins, PLAYED, (front, back), strict=True)
    )
    moments: list[Moment] = []
    frame = plan.context_s
    for place in range(plan.moments):
        frame += rng.randint(*plan.gap_s)
        courses = _courses(plan, rng, split, {start.role: start.program for start in starts}, shape, tried)
        moments.append(Moment(f"m{place + 1}", frame, courses))
        frame += plan.branch_s
    name = f"{plan.name}{split[0]}{number + 1:03}-{front.name}-{back.name}"
    return Run(name, split, shape, tuple(sorted(starts, key=lambda each: each.frame)), tuple(moments))


def _courses(
    plan: Plan,
    rng: random.Random,
    split: Split,
    programs: Mapping[str, Program],
    shape: Shape,
    tried: "Counter[Tried]",
) -> tuple[Course, ...]:
    """Those that matter here, the least tried first; chance decides between equals."""
    fitting = [each for each in plan.tried if _matters(each, programs, shape)]
    rng.shuffle(fitting)
    courses = [Course(name) for name in NOTHING]
    for each in _least_tried(fitting, tried, plan.courses):
        tried[each] += 1
        steps = [_step(rng, 0.0, each, split)]
        others = [other for other in fitting if other.action != each.action]
        if others and rng.random() < _SECOND_STEP:
            steps.append(_step(rng, plan.branch_s / 2, rng.choice(others), split))
        course = Course(_name(steps), tuple(steps))
        if course not in courses:
            courses.append(course)
    return tuple(courses)


def _least_tried(fitting: Sequence[Tried], tried: "Counter[Tried]", many: int) -> list[Tried]:
    """So many of ``fitting``, the least tried first; with another value again where there are too few."""
    chosen = sorted(fitting, key=lambda each: tried[each])[:many]
    again = [each for each in chosen if len(each.values) > 1][: many - len(chosen)]
    return chosen + again


def _matters(tried: Tried, programs: Mapping[str, Program], shape: Shape) -> bool:
    about = [programs[tried.role]] if tried.role else programs.values()
    return any(tried.wants in program.wants for program in about) and (shape.tight or not tried.tight)


def _step(rng: random.Random, at_s: float, tried: Tried, split: Split) -> Step:
    values = tried.held_out if split == "heldout" else tried.values
    return Step(at_s, tried.action, tried.target, rng.choice(values) if values else None)


def _name(steps: Sequence[Step]) -> str:
    words = [
        [step.action, step.target, *([] if step.value is None else [str(step.value)])] for step in steps
    ]
    return " then ".join(" ".join(word for word in each if word) for each in words)
