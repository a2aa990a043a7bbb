# SPDX-License-Identifier: Apache-2.0
"""What a person has to allow jepad for one task: the grant that goes with a task spec and its first plan."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from jepa.tasks.durations import seconds

DAEMON: Final = "jepad.service"
LEASE_S: Final = 600.0
"""The longest that a change of a task stays in force without being renewed."""
CHANGES_PER_HOUR: Final = 30
"""That a task may make: half of what daemons may make together, so that healing can always act."""

RESTARTS_PER_HOUR: Final = 6
"""That a watch may make: what fails more often needs a person."""


def grant_for(task_id: str, plan: Mapping[str, Any]) -> dict[str, Any]:
    """The grant that lets plans for ``plan``'s task spec be carried out on what was found now, and no more.

    An action is bound to the numbers that plans try, unless the plan itself sets a word such as ``max``.
    """
    settable = plan["settable"]
    given: dict[str, Any] = {
        "task": task_id,
        "daemon": DAEMON,
        "actions": sorted({each["action"] for each in settable}),
        "targets": sorted({target for each in settable for target in each["targets"]}),
        "rate_per_hour": RESTARTS_PER_HOUR if plan["spec"]["intent"] == "watch" else CHANGES_PER_HOUR,
        "most_for_s": LEASE_S,
    }
    words = {step["action"] for step in plan["steps"] if _number(step["to"]) is None}
    ranges = {
        each["action"]: [min(numbers), max(numbers)]
        for each in settable
        if each["action"] not in words and (numbers := _numbers(settable, each["action"]))
    }
    until = plan["spec"].get("until")
    return given | ({"ranges": ranges} if ranges else {}) | ({"for_s": seconds(until)} if until else {})


def _numbers(settable: Sequence[Mapping[str, Any]], action: str) -> list[float]:
    values = [_number(value) for each in settable if each["action"] == action for value in each["values"]]
    return [value for value in values if value is not None]


def _number(value: object) -> float | None:
    """What ranges of grants compare; idle is less than any weight."""
    if value == "idle":
        return 0.0
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if number else None  # type: ignore[arg-type]
