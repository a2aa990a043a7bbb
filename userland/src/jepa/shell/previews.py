# SPDX-License-Identifier: Apache-2.0
"""Says of an action for people what it would change, and what would take that back."""

import time

from jepa.actions.catalogue import ActionType, Persistence, Value
from jepa.actions.values import shown
from jepa.shell.durations import duration


def what(action: ActionType, target: str, old: Value, new: Value) -> str:
    """Such as ``cpu.max of backup.service: max -> 40%``."""
    subject = f"{action.name} of {target}" if target else action.name
    if not action.takes_value and old is None:
        return subject
    return f"{subject}: {shown(action, old)} -> {shown(action, new)}"


def end(action: ActionType, for_s: float | None, watch_s: float, keep_if: str) -> list[str]:
    """What takes a change back, and when: one sentence each."""
    if not action.reversible:
        return ["This cannot be taken back."]
    said = []
    if watch_s:
        unless = f" unless {keep_if}" if keep_if else ", if the machine fares worse than before"
        said.append(f"Watched for {duration(watch_s)} and taken back{unless}.")
    if for_s is not None:
        at = time.strftime("%H:%M:%S", time.localtime(time.time() + for_s))
        said.append(f"Taken back after {duration(for_s)}, at {at}; sooner with `jepa undo`.")
    elif action.persistence is Persistence.PERSISTENT:
        said.append("Stays until `jepa undo`.")
    else:
        said.append("Stays until `jepa undo` or a restart of the machine.")
    return said
