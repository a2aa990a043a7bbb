# SPDX-License-Identifier: Apache-2.0
"""When the condition of a task spec holds: what is looked at, and for how long it has to be so.

Apart from the model of a spec, without which the command line can do: to import that takes longer than all
else that `jepa do` needs.
"""

import time
from collections.abc import Mapping
from typing import Any, Final, Protocol

from jepa.errors import JepaError
from jepa.tasks.durations import seconds

ON_S: Final = 3.0
"""How long a condition has to hold before it counts: what is over in a moment is no reason to act."""
OFF_S: Final = 10.0
"""And how long it must not, before it is over: a loose plug, or a value at its limit, changes nothing."""
MEAN_S: Final = 10.0
"""Over how much of the past a channel is taken."""
IDLE: Final = 10.0
"""Percent of the CPU below which the machine is idle."""
_CHANNELS: Final[dict[str, dict[str | None, tuple[tuple[str, ...], float]]]] = {
    "cpu": {"%": (("system.cpu.utilization",), 1.0)},
    "memory": {"%": (("system.memory.utilization",), 1.0)},
    "disk": {"%": (("system.filesystem.utilization",), 1.0)},
    "io": {
        "%": (("system.disk.utilization",), 1.0),
        "MiB/s": (("system.disk.io.read", "system.disk.io.write"), 1 / 1024),
    },
    "network": {"MiB/s": (("system.network.io.receive", "system.network.io.transmit"), 1 / 1024)},
    "power": {"%": (("hw.battery.charge",), 1.0), "W": (("hw.power",), 1.0)},
    "temperature": {"C": (("hw.temperature",), 1.0)},
}
"""By resource and unit: the channels whose sum it is, and what one of their units is in that unit."""
_LEFT: Final = ("memory", "disk")
"""Of these `below` is about what is left, as people say it: memory below 10 % is nearly full."""
_ROLES: Final = ("foreground", "background", "system")
_WORDS: Final = {
    "on_battery": "the machine runs on battery",
    "on_ac": "the machine is plugged in",
    "idle": "the machine is idle",
}


class Circumstances(Protocol):
    """What conditions look at."""

    def on_battery(self) -> bool:
        """Whether the machine has a battery and is not plugged in."""

    def failed(self, unit: str) -> bool | None:
        """Whether a unit has failed; None where nobody can say."""

    def mean(self, channel: str, over_s: float) -> float | None:
        """The mean of a channel over the last seconds, in its own unit; None where it was not observed."""

    def wall_ns(self) -> int:
        """The wall clock."""


class WatchedCondition:
    """Whether one condition holds, looked at once a second."""

    def __init__(self, spec: Mapping[str, Any], seen: Circumstances, since_ns: int) -> None:
        """Of a task ``spec`` that stands since ``since_ns``. JepaError as of ``check_condition``."""
        check_condition(spec)
        self._condition = condition_of(spec) or {}
        self._seen = seen
        self._starts_ns = _starts_ns(self._condition, since_ns)
        self._since: float | None = None
        """Since when it is otherwise than ``holds`` says."""
        self.holds: bool | None = None
        """As it was at the first look, and from then on once it was otherwise for a while; None before."""
        self.unknown = False
        """Whether what it looks at cannot be seen now; then it stays as it was."""

    def look(self, now_s: float) -> bool | None:
        """Whether it holds, at ``now_s`` of a clock that never goes back; None until that was seen once."""
        found = self._now()
        self.unknown = found is None
        if self.holds is None:
            self.holds = found
        if found is None or found == self.holds:
            self._since = None
            return self.holds
        if self._since is None:
            self._since = now_s
        if now_s - self._since >= (ON_S if found else OFF_S):
            self.holds, self._since = found, None
        return self.holds

    def _now(self) -> bool | None:
        condition = self._condition
        match condition["kind"]:
            case "on_battery":
                return self._seen.on_battery()
            case "on_ac":
                return not self._seen.on_battery()
            case "failed":
                each = [self._seen.failed(name) for name in condition["targets"]]
                return True if True in each else None if None in each else False
            case "idle":
                used = self._seen.mean("system.cpu.utilization", MEAN_S)
                return None if used is None else used < IDLE
            case "time":
                if "to" in condition:
                    return _between(condition["at"], condition["to"], self._seen.wall_ns())
                return self._seen.wall_ns() >= self._starts_ns
        channels, scale = _looked_at(condition)
        values = [self._seen.mean(channel, MEAN_S) for channel in channels]
        if any(value is None for value in values):
            return None
        found = scale * sum(value for value in values if value is not None)
        if condition["kind"] == "below":
            left = condition.get("resource") in _LEFT
            return (100.0 - found if left else found) < float(condition["value"])
        return found > float(condition["value"])


def condition_of(spec: Mapping[str, Any]) -> dict[str, Any] | None:
    """The condition of ``spec``, with what it is about; a watch of units alone is for their failure."""
    found = spec.get("condition")
    targets = list(spec.get("targets") or ())
    if found is None:
        return {"kind": "failed", "targets": targets} if spec["intent"] == "watch" and targets else None
    if found["kind"] == "failed":
        return {"targets": targets, **found}
    return dict(found)


def check_condition(spec: Mapping[str, Any]) -> None:
    """JepaError (409) where a task of ``spec`` would stand under a condition that nobody can watch."""
    condition = condition_of(spec)
    if condition is None:
        if spec["intent"] == "watch":
            raise _unwatched("It is not said what is to be watched for")
        return
    kind = condition["kind"]
    if kind in ("above", "below"):
        _looked_at(condition)
    elif kind == "failed":
        if not condition["targets"]:
            raise _unwatched("It is not said whose failure is meant")
    elif kind == "time":
        _starts_ns(condition, 0)
    elif kind not in _WORDS or condition.get("targets"):
        said = kind.replace("_", " ") + "".join(f" {each}" for each in condition.get("targets") or ())
        raise _unwatched(f"Whether something is {said} is not watched")


def in_words(spec: Mapping[str, Any]) -> str:
    """The condition of ``spec`` as part of a sentence, such as "memory is above 90 %"; empty without."""
    condition = condition_of(spec)
    if condition is None:
        return ""
    kind = condition["kind"]
    if kind in ("above", "below"):
        what = condition.get("resource") or " and ".join(condition.get("targets") or ())
        left = "what is left of " if kind == "below" and condition.get("resource") in _LEFT else ""
        return f"{left}{what} is {kind} {condition['value']:g} {condition.get('unit') or ''}".rstrip()
    if kind == "failed":
        return f"{' or '.join(condition['targets'])} fails"
    if kind == "time" and "to" in condition:
        return f"it is between {condition['at']} and {condition['to']}"
    if kind == "time":
        return f"it is {condition['at']}" if "at" in condition else f"{condition['after']} are over"
    return _WORDS.get(kind, str(kind))


def _looked_at(condition: Mapping[str, Any]) -> tuple[tuple[str, ...], float]:
    """The channels of ``above`` or ``below``, and their scale."""
    value, unit = condition.get("value"), condition.get("unit")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _unwatched(f"It is not said {condition['kind']} which value")
    if unit in ("Cel", "°C", "℃") or (unit is None and condition.get("resource") == "temperature"):
        unit = "C"
    targets = condition.get("targets") or ()
    resource = condition.get("resource") or "cpu"
    if targets:
        roles = [each for each in targets if each in _ROLES]
        if len(targets) == 1 and roles and resource in ("cpu", "memory") and unit == "%":
            return (f"system.role.{roles[0]}.{resource}",), 1.0
        raise _unwatched(f"How much {' and '.join(targets)} use of {resource} is not watched")
    by_unit = _CHANNELS.get(resource, {})
    if unit not in by_unit:
        units = ", ".join(str(each) for each in by_unit) or "nothing"
        raise _unwatched(f"{resource} in {unit} is not watched; it is in {units}")
    return by_unit[unit]


def _starts_ns(condition: Mapping[str, Any], since_ns: int) -> int:
    """When a condition of kind ``time`` begins to hold: at the next HH:MM, or after a duration."""
    if condition.get("kind") != "time":
        return since_ns
    if "to" in condition:  # each day
        _minutes(condition.get("at"))
        _minutes(condition["to"])
        return since_ns
    if "after" in condition:
        return since_ns + int(seconds(str(condition["after"])) * 1e9)
    at = _minutes(condition.get("at"))
    began = since_ns // 1_000_000_000
    day = time.localtime(began)
    for ahead in (0, 1):
        moment = (day.tm_year, day.tm_mon, day.tm_mday + ahead, *divmod(at, 60), 0, 0, 0, -1)
        then = int(time.mktime(moment))
        if then >= began:
            break
    return then * 1_000_000_000


def _minutes(text: object) -> int:
    """The minutes of a day at HH:MM. JepaError (409) for anything else."""
    try:
        at = time.strptime(str(text), "%H:%M")
    except ValueError:
        raise _unwatched(f"{text!r} is no time of day") from None
    return 60 * at.tm_hour + at.tm_min


def _between(at: object, to: object, wall_ns: int) -> bool:
    """Whether it is between two times of day, over midnight where the second is the earlier one."""
    local = time.localtime(wall_ns // 1_000_000_000)
    now, begins, ends = 60 * local.tm_hour + local.tm_min, _minutes(at), _minutes(to)
    return begins <= now < ends if begins <= ends else now >= begins or now < ends


def _unwatched(problem: str) -> JepaError:
    return JepaError(
        f"{problem}.",
        "Conditions are on battery, plugged in, idle, a time, a unit that failed, and cpu, memory, disk, "
        "io, network, power or temperature above or below a value.",
        status=409,
    )
