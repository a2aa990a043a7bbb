# SPDX-License-Identifier: Apache-2.0
"""What the actuator publishes of itself in a file that everybody may read, so that nobody has to wake it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from jepa.actions.change import Change
from jepa.actions.client import Availability
from jepa.durable import replace_file

FILE: Final = Path("/run/jepa-actuator/summary.json")
KEPT: Final = 200
"""Changes that it holds: the newest, and all that are in force."""


@dataclass(frozen=True, slots=True)
class Summary:
    """The state of the actuator when something last changed."""

    boot_id: str
    changes: Sequence[Change] = ()
    """Newest first."""
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """For each action how many changes since boot ended in, or are in, each state."""
    availability: Sequence[Availability] = ()
    policy_fault: str = ""
    """Why the policy on disk is not the one in force; empty when it is."""
    journal_fault: str = ""
    """Why nothing is changed any more; empty when changes are journalled as they should."""
    grants: int = 0
    """Grants in force."""


def write(path: Path, summary: Summary) -> None:
    """Replace the file at ``path``: a reader finds the old or the new one, never half. May raise OSError."""
    content = {**asdict(summary), "changes": [change.as_dict() for change in summary.changes[:KEPT]]}
    replace_file(path, json.dumps(content, separators=(",", ":")))


def read(path: Path) -> Summary | None:
    """What the actuator published; None where it has not run since boot, or something else lies there."""
    try:
        found: dict[str, Any] = json.loads(path.read_text())
        changes = [Change.from_dict(each) for each in found.pop("changes")]
        availability = [Availability(**each) for each in found.pop("availability")]
        return Summary(changes=changes, availability=availability, **found)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
