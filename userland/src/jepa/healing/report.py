# SPDX-License-Identifier: Apache-2.0
"""What healing reports: what it saw, what it did or proposes, and what came of it."""

from dataclasses import dataclass
from typing import Literal

from jepa.healing.finding import Fault

Stage = Literal["detected", "proposed", "acted", "refused", "repaired", "gave_up"]


@dataclass(frozen=True, slots=True)
class HealingReport:
    """One step of one episode."""

    stage: Stage
    fault: Fault
    subject: str
    text: str
    """One sentence."""
    episode: str
    """The same for all reports of one episode: twelve hex digits."""
    change: str = ""
    """The id of the change that was made."""
    after_s: float = 0.0
    """Seconds since the fault was detected."""
