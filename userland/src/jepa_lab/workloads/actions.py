# SPDX-License-Identifier: Apache-2.0
"""Actions at random times, so that their effects can be learned: what may be set, when, and how.

The set is that of the actuator to come: each action is typed, bounded and has an inverse. Until there is an
actuator the lab applies them itself, on groups of its own.
"""

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jepa.telemetry.recording import Action
from jepa.telemetry.roles import PLAYED, Role
from jepa_lab.workloads.groups import Groups
from jepa_lab.workloads.session import TRIAL_S, Deck

_PERIOD_US = 100_000
_SWAPPINESS = Path("proc/sys/vm/swappiness")


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing that can be set: the values the lab tries, and what it is otherwise."""

    values: tuple[int, ...]
    held_out: tuple[int, ...]
    """Values of held-out sessions, which no other session has."""
    usual: int | None
    """None is no limit."""
    roles: tuple[Role, ...] = PLAYED
    """Whose groups it is set on; none for the whole machine."""


SETTINGS: dict[str, Setting] = {
    "cpu.weight": Setting((1, 10, 300, 1000), (30, 600), 100),
    "cpu.max": Setting((10, 50, 100), (25, 75), None),
    "memory.high": Setting((64, 256, 512), (128, 384), None),
    "io.weight": Setting((1, 1000), (10,), 100),
    "pause": Setting((1,), (1,), 0, ("background",)),
    "swappiness": Setting((0, 180), (20, 100), 60, ()),
    "cpu.uclamp.max": Setting((10, 40), (20, 60), None),
}
"""By action: cpu.max in % of a core, memory.high in MiB, pause 1 or 0, others as the kernel has them."""
_AT_RANDOM = tuple(name for name in SETTINGS if name != "cpu.uclamp.max")
"""What seeds have always drawn from."""


@dataclass(frozen=True, slots=True)
class Act:
    """One action to take ``at_s`` seconds after the start; ``value`` None lifts a limit."""

    at_s: float
    action: str
    role: Role | None
    value: int | None

    @property
    def args(self) -> dict[str, Any]:
        """As they are recorded."""
        return {"role": self.role, "value": self.value}


def plan_acts(seed: int, seconds: float, held_out: bool) -> list[Act]:
    """Actions of a session, in order; each is taken back after 12-40 s. The same for the same seed."""
    rng = random.Random(f"{seed} acts")
    acts: list[Act] = []
    busy: dict[tuple[str, Role | None], float] = {}
    at = rng.uniform(5, 15)
    while at < seconds:
        name = rng.choice(_AT_RANDOM)
        setting = SETTINGS[name]
        role = rng.choice(setting.roles) if setting.roles else None
        if busy.get((name, role), 0.0) <= at:
            back = at + rng.uniform(12, 40)
            value = rng.choice(setting.held_out if held_out else setting.values)
            acts.append(Act(at, name, role, value))
            if back < seconds:
                acts.append(Act(back, name, role, setting.usual))
            busy[name, role] = back + 5
        # Several are in force at once, independently: each one's effect shows against all the others'.
        at += 3 + rng.expovariate(1 / 5)
    return sorted(acts, key=lambda act: act.at_s)


_Deck = tuple[tuple[str, Role | None], ...]
_DECKS: dict[Deck, _Deck] = {
    "all": (
        *2 * (("cpu.max", "foreground"), ("cpu.max", "background"), ("pause", "background")),
        *((name, role) for name in ("cpu.weight", "memory.high") for role in PLAYED),
        ("io.weight", "background"),
        ("swappiness", None),
    ),
    "cpu": (
        *2 * (("cpu.weight", "foreground"), ("cpu.weight", "background")),
        *(("cpu.max", role) for role in PLAYED),
        ("pause", "background"),
    ),
    "share": (
        *2 * tuple(("cpu.max", role) for role in PLAYED),
        *(("cpu.weight", role) for role in PLAYED),
        ("pause", "background"),
    ),
    "many": (
        *2 * (*(("cpu.max", role) for role in PLAYED), ("pause", "background")),
        *((name, role) for name in ("cpu.weight", "cpu.uclamp.max") for role in PLAYED),
    ),
    "memory": (*2 * tuple(("memory.high", role) for role in PLAYED), ("pause", "background")),
}
"""What is tried in a session of trials, in random order as far as time goes: twice what most depends on."""
_SETTLE_S = (15.0, 18.0)
"""Before the first trial on programs that have just begun."""
_HOLD_S, _REST_S = (13.0, 16.0), (9.0, 12.0)


def plan_trials(seed: int, seconds: float, held_out: bool, which: Deck = "all") -> list[Act]:
    """Actions of a session of trials, in order: one at a time, each taken back and got over before the next.

    The same for the same seed; none reaches into the next pair of programs.
    """
    rng = random.Random(f"{seed} trials")
    deck: list[tuple[str, Role | None]] = []
    acts: list[Act] = []
    start = 0.0
    while start < seconds:
        at, end = start + rng.uniform(*_SETTLE_S), min(start + TRIAL_S, seconds)
        while (back := at + rng.uniform(*_HOLD_S)) + _REST_S[0] <= end:
            deck = deck or rng.sample(_DECKS[which], len(_DECKS[which]))
            name, role = deck.pop()
            setting = SETTINGS[name]
            value = rng.choice(setting.held_out if held_out else setting.values)
            acts += Act(at, name, role, value), Act(back, name, role, setting.usual)
            at = back + rng.uniform(*_REST_S)
        start += TRIAL_S
    return acts


def written(act: Act, groups: Groups, root: Path = Path("/")) -> tuple[Path, str]:
    """The file of the kernel that ``act`` is written to, and what."""
    value = act.value
    if act.role is None:
        return root / _SWAPPINESS, str(value)
    folder = groups.folder(act.role)
    match act.action:
        case "cpu.max":
            quota = "max" if value is None else str(value * _PERIOD_US // 100)
            return folder / "cpu.max", f"{quota} {_PERIOD_US}"
        case "cpu.uclamp.max":
            return folder / act.action, "max" if value is None else str(value)
        case "memory.high":
            return folder / "memory.high", "max" if value is None else str(value << 20)
        case "pause":
            return folder / "cgroup.freeze", str(value)
        case _:
            return folder / act.action, str(value)


class Actor:
    """Takes actions at their times in a thread of its own, reports those that took effect, takes all back.

    What this kernel does not have is passed over.
    """

    def __init__(
        self, acts: Sequence[Act], groups: Groups, report: Callable[[Action], object], root: Path = Path("/")
    ) -> None:
        self._acts, self._groups, self._report, self._root = acts, groups, report, root
        self._stop = threading.Event()
        self._found: dict[Path, str] = {}
        """What each file held before it was first written to."""
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Actor":
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._thread.join()
        for file, text in self._found.items():
            file.write_text(text)

    def _run(self) -> None:
        start = time.monotonic()
        for act in self._acts:
            if self._stop.wait(max(0.0, start + act.at_s - time.monotonic())):
                return
            file, text = written(act, self._groups, self._root)
            try:
                self._found.setdefault(file, file.read_text())
                file.write_text(text)
            except OSError:
                continue
            self._report(Action(time.time_ns(), act.action, act.args))
