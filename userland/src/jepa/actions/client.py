# SPDX-License-Identifier: Apache-2.0
"""The client of the actuator: one protocol, whether its socket or this process is behind it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from jepa.actions.change import Change
from jepa.actions.messages import ActionRequest, Preview

HISTORY_MOST: Final = 1000
"""Changes that are answered at a time."""


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether an action works on this machine."""

    action: str
    missing: str | None
    """Why it does not, in one sentence; None when it does."""
    holder: str = ""
    """Another program that holds this setting, such as TuneD; empty when there is none."""


Progress = Callable[[Change], None]
"""Called with each state that a change reaches while it is watched."""


class ActuatorClient(Protocol):
    """Changes the machine. Methods raise JepaError: refused (403), out of range (422), gone (404, 409)."""

    def availability(self) -> Sequence[Availability]:
        """Every action of the catalogue."""

    def check(self, request: ActionRequest) -> Preview:
        """What ``request`` would do and whether it is allowed; changes nothing."""

    def act(self, request: ActionRequest, consent: bool, progress: Progress | None = None) -> Change:
        """Do it and return what came of it; ``consent`` answers a verdict of ``ask``."""

    def undo(self, change: str = "", task: str = "") -> Sequence[Change]:
        """Take back one change, those of a task, or the last of the caller's own."""

    def history(self, limit: int = 50) -> Sequence[Change]:
        """The newest changes, newest first, of HISTORY_MOST at most."""

    def grant(self, grant: Mapping[str, Any]) -> str:
        """Keep a grant and return its id."""

    def grants(self) -> Sequence[Mapping[str, Any]]:
        """The grants in force."""

    def revoke(self, grant: str) -> None:
        """End a grant."""

    def policy(self) -> Mapping[str, Any]:
        """The policy in force: rules, budgets, protected names; ``fault`` says why the files are not."""

    def close(self) -> None:
        """End the connection."""
