# SPDX-License-Identifier: Apache-2.0
"""The ladders: which actions are taken against which fault, in which order, read from ``ladder.toml``."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, cast

from jepa.healing.finding import Fault

PACKAGED: Final = Path(__file__).with_name("ladder.toml")
On = Literal["offender", "subject", "required"]


@dataclass(frozen=True, slots=True)
class LadderStep:
    """One action on one thing."""

    on: On
    unit: str = ""
    """The action for a unit; empty when there is none."""
    process: str = ""
    """The action for a process."""
    value: str = ""
    for_s: float | None = None

    def action_for(self, kind: str) -> str:
        """The action for an offender of ``kind``; empty when there is none."""
        return self.unit if kind == "unit" else self.process


@dataclass(frozen=True, slots=True)
class Rung:
    """Steps that are tried together."""

    steps: tuple[LadderStep, ...]
    wait_s: float
    """Seconds that they are given to help."""
    undo: bool = False
    """First take back the recent changes of the subject."""


@dataclass(frozen=True, slots=True)
class Ladder:
    """The rungs against one fault."""

    fault: Fault
    rungs: tuple[Rung, ...]
    settle_s: float
    """Without the fault for so long, the episode is over."""
    episodes: int
    """Episodes an hour for one subject."""
    act_below_s: float | None = None
    """Act only when the finding says that less time is left; None: at once."""

    @property
    def actions(self) -> frozenset[str]:
        """Every action it may take: what a grant for it must allow."""
        return frozenset(
            name for rung in self.rungs for step in rung.steps for name in (step.unit, step.process) if name
        )


def load(path: Path = PACKAGED) -> Mapping[Fault, Ladder]:
    """The ladder of each fault. ValueError names what is wrong in ``path``."""
    ladders: dict[Fault, Ladder] = {}
    for entry in tomllib.loads(path.read_text())["ladder"]:
        content = cast("dict[str, Any]", entry)
        try:
            rungs = tuple(
                Rung(tuple(LadderStep(**step) for step in rung.pop("steps")), **rung)
                for rung in content.pop("rungs")
            )
            ladder = Ladder(Fault(content.pop("fault")), rungs, **content)
        except (TypeError, KeyError) as error:
            raise ValueError(f"{path}: {error}") from error
        ladders[ladder.fault] = ladder
    return ladders
