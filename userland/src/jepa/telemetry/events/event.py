# SPDX-License-Identifier: Apache-2.0
"""One thing that happened at one time."""

from dataclasses import dataclass
from typing import Literal, get_args

Severity = Literal["info", "warning", "error", "critical"]
Kind = Literal[
    "oom_kill",
    "hung_task",
    "kernel_oops",
    "io_error",
    "fs_error",
    "fs_recovered",
    "machine_check",
    "thermal",
    "thermal_recovered",
    "unit_failed",
    "unit_recovered",
    "unit_restarted",
    "device_added",
    "device_removed",
    "device_changed",
    "health_warning",
    "health_recovered",
    "clock_jumped",
    "suspended",
    "events_lost",
    "anomaly",
    "anomaly_over",
    "event_predicted",
    "camera_lost",
    "camera_back",
    "fault_detected",
    "repair_proposed",
    "repair_made",
    "repair_refused",
    "fault_repaired",
    "repair_gave_up",
    "goal_advised",
    "watch_began",
    "watch_over",
    "watch_acted",
    "watch_refused",
]
KINDS: tuple[str, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, in the words of its source."""

    ts_ns: int
    """Wall-clock time, nanoseconds since the epoch."""
    kind: str
    """One of KINDS; a newer collector may send others."""
    unit: str | None
    """What it happened to: a service unit, a device, a process."""
    detail: str | None
    severity: str = "info"
    source: str = ""
    """Who said it: kmsg, units, user-units, devices, health, vision, healing, tasks, model, collector."""
