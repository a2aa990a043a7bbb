# SPDX-License-Identifier: Apache-2.0
"""Processes: nice value, I/O priority and scheduling policy of all their threads; paused, ended."""

import resource as limits
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jepa.actions import capabilities, mixed, scheduling
from jepa.actions.catalogue import ActionType, TargetKind, Value
from jepa.actions.family import Host, Resource
from jepa.actions.process_handle import ProcessHandle, Stat, parse_stat, pid_named
from jepa.errors import JepaError


@dataclass(frozen=True, slots=True)
class ThreadSetting:
    """Something that each thread has for itself."""

    get: Callable[[int], Value]
    set: Callable[[int, str], None]
    noun: str


SETTINGS: Final = {
    "process.nice": ThreadSetting(
        scheduling.nice, lambda tid, text: scheduling.set_nice(tid, int(text)), "nice value"
    ),
    "process.io_class": ThreadSetting(scheduling.io_priority, scheduling.set_io_priority, "I/O priority"),
    "process.scheduler": ThreadSetting(scheduling.policy, scheduling.set_policy, "scheduling policy"),
}
SIGNALS: Final = {
    "paused": signal.SIGSTOP,
    "running": signal.SIGCONT,
    "terminated": signal.SIGTERM,
    "killed": signal.SIGKILL,
}
_PASSES: Final = 20
"""Rounds until no thread has begun meanwhile with the value of the one that made it."""
_UNLIKE_MOST: Final = 500
"""Threads that may differ from the rest: their values are journalled one by one."""
_STOP_S: Final = 1.0
_END_S: Final = 3.0


class Process:
    """A ``Family``, ``Stepwise``. Values of threads that differ from most follow, as ``0; TID@START: 5``."""

    def missing(self, host: Host, action: ActionType) -> str | None:
        """I/O priorities have no wrapper in the C library, and so work where we know the system call."""
        if action.setting == "process.io_class":
            try:
                scheduling.io_priority(0)
            except (OSError, KeyError):
                return "This kernel has no I/O priorities that this program knows how to set."
        return None

    def resolve(self, host: Host, action: ActionType, target: str) -> Resource:
        """A PID, or the name of a program that runs just once."""
        if not target:
            raise JepaError(
                f"{action.name} needs a process.", f"Name its PID: `{action.example}`.", status=422
            )
        proc = host.root / "proc"
        number = target.isascii() and target.isdigit() and len(target) <= 10
        with ProcessHandle(proc, int(target) if number else pid_named(proc, target)) as process:
            if process.stat.kernel:
                raise JepaError(
                    f"{process.pid} ({process.stat.command}) is a thread of the kernel.",
                    "Only programs can be changed.",
                    status=422,
                )
            return Resource(
                TargetKind.PROCESS,
                str(process.pid),
                action.setting,
                process.identity,
                process.stat.command,
            )

    def read(self, host: Host, resource: Resource) -> Value:
        """What all its threads have, or what most have and then those that differ."""
        with _open(host, resource) as process:
            if resource.setting == "process.life":
                return "running"
            if resource.setting == "process.paused":
                return "paused" if process.threads()[0].state == "T" else "running"
            values = {_key(each): value for each, value in _values(process, SETTINGS[resource.setting])}
            if not values:
                raise JepaError(
                    f"Process {resource.name} has ended.", "Nothing is left to change.", status=409
                )
            return mixed.encode(values)

    def check(self, host: Host, action: ActionType, resource: Resource, value: Value) -> Value:
        """Refuses what could not be taken back without root, and to touch a realtime policy."""
        with _open(host, resource) as process:
            name = f"{process.pid} ({process.stat.command})"
            if str(self.read(host, resource)).count(";") > _UNLIKE_MOST:
                raise JepaError(
                    f"More than {_UNLIKE_MOST} threads of process {name} have values of their own.",
                    "So many could not be journalled one by one.",
                    status=422,
                )
            if action.setting == "process.scheduler":
                for _, found in _values(process, SETTINGS[action.setting]):
                    if str(found).partition(":")[0] in ("fifo", "rr", "deadline", "unknown"):
                        raise JepaError(
                            f"Process {name} runs under the realtime policy {found}.",
                            "That is its own choice, or its unit's, and stays.",
                            status=422,
                        )
            nice = min((int(str(each)) for _, each in _values(process, SETTINGS["process.nice"])), default=0)
            lowered = (action.setting == "process.nice" and isinstance(value, int) and value > nice) or (
                action.setting == "process.scheduler" and value == "idle"
            )
            if lowered and not _may_raise(process.pid, nice):
                raise JepaError(
                    f"Without root this could not be taken back: {name} would keep it.",
                    "Act as root, or let the actuator do it.",
                    status=403,
                )
        return value

    def apply(self, host: Host, resource: Resource, value: Value) -> None:
        """To every thread, or to none when one refuses."""
        with _open(host, resource) as process:
            if resource.setting in SETTINGS:
                before = mixed.decode(self.read(host, resource))
                try:
                    _set(host, process, SETTINGS[resource.setting], mixed.decode(value))
                except JepaError:
                    _set(host, process, SETTINGS[resource.setting], before)
                    raise
            else:
                process.signal(SIGNALS[str(value)])
                if value == "terminated":
                    with suppress(JepaError):  # as systemd does: a stopped one would not hear of it
                        process.signal(signal.SIGCONT)

    def verify(self, host: Host, resource: Resource, value: Value) -> None:
        """Read it back; wait a moment for what takes one."""
        match value:
            case "terminated" | "killed":
                try:
                    with _open(host, resource) as process:
                        if process.ended_within(_END_S):
                            return
                        name = f"{process.pid} ({process.stat.command})"
                except JepaError:
                    return  # ended already
                remedy = "process.kill ends it." if value == "terminated" else "It waits for a device."
                raise JepaError(f"Process {name} still runs {_END_S:g} s later.", remedy)
            case "paused" | "running" if resource.setting == "process.paused":
                deadline = time.monotonic() + _STOP_S
                while not self._all_are(host, resource, stopped=value == "paused"):
                    if time.monotonic() > deadline:
                        raise JepaError(
                            f"Process {resource.name} is not {value} after {_STOP_S:g} s.",
                            "It waits for a device, or somebody else signals it too.",
                        )
                    time.sleep(0.01)
            case _:
                setting, wanted = SETTINGS[resource.setting], mixed.decode(value)
                with _open(host, resource) as process:
                    for thread, found in _values(process, setting):
                        due = mixed.of(wanted, _key(thread))
                        if str(found) != due:
                            raise JepaError(
                                f"The {setting.noun} of thread {thread.id} of process {process.pid} is "
                                f"{found}, not {due} as set.",
                                "Somebody else sets it too.",
                            )

    def undo(self, host: Host, resource: Resource, old: Value) -> None:
        """Give each thread that is still there what it had, and those made since what most had."""
        if resource.setting == "process.life":
            raise JepaError(
                "A process that was ended cannot be brought back.", "Start it again.", status=409
            )
        self.apply(host, resource, old)

    def is_mixture(self, found: Value, old: Value, new: Value) -> bool:
        """Whether each thread has what it had or what it was to get."""
        return mixed.is_mixture(found, old, new)

    def _all_are(self, host: Host, resource: Resource, stopped: bool) -> bool:
        with _open(host, resource) as process:
            return all((each.state in "Tt") == stopped for each in process.threads())


def _open(host: Host, resource: Resource) -> ProcessHandle:
    return ProcessHandle(host.root / "proc", int(resource.name), resource.identity)


def _values(process: ProcessHandle, setting: ThreadSetting) -> Iterator[tuple[Stat, Value]]:
    """Each thread with its value; those that end meanwhile are left out."""
    for thread in process.threads():
        try:
            value = setting.get(thread.id)
        except ProcessLookupError:
            continue
        if (now := process.thread(thread.id)) is not None and now.start == thread.start:
            yield thread, value


def _key(thread: Stat) -> str:
    return f"{thread.id}@{thread.start}"


def _set(host: Host, process: ProcessHandle, setting: ThreadSetting, values: dict[str, str]) -> None:
    """Bring all threads to their values. JepaError (403, 409) when one refuses."""
    for _ in range(_PASSES):
        changed = False
        for thread, found in list(_values(process, setting)):
            wanted = mixed.of(values, _key(thread))
            if str(found) == wanted:
                continue
            changed = True
            try:
                setting.set(thread.id, wanted)
            except ProcessLookupError:
                continue
            except (OSError, ValueError, KeyError) as error:
                raise JepaError(
                    f"The {setting.noun} of process {process.pid} ({process.stat.command}) cannot be set to "
                    f"{wanted}: {error.strerror if isinstance(error, OSError) else 'unknown'}.",
                    "Act as root.",
                    status=403 if isinstance(error, PermissionError) else 422,
                ) from error
            if process.thread(thread.id) is None:
                _give_back(host.root / "proc", thread, setting, wanted)
        if not changed:
            return
    raise JepaError(
        f"Process {process.pid} ({process.stat.command}) makes threads faster than they can be changed.",
        "Limit its unit instead: `jepa actions` lists how.",
        status=409,
    )


def _give_back(proc: Path, thread: Stat, setting: ThreadSetting, value: str) -> None:
    """When the thread ended just before it was set, its TID may be another's: that one gets its parent's."""
    try:
        other = parse_stat((proc / str(thread.id) / "stat").read_text(errors="replace"))
        if other.start != thread.start and str(setting.get(other.id)) == value:
            setting.set(other.id, str(setting.get(other.parent)))
    except (OSError, ValueError):
        pass  # nobody has it


def _may_raise(pid: int, nice: int) -> bool:
    """Whether this process may give ``pid`` the nice value ``nice`` again once it has a higher one."""
    if capabilities.effective(capabilities.SYS_NICE):
        return True
    try:
        return limits.prlimit(pid, limits.RLIMIT_NICE)[0] >= 20 - nice
    except OSError:
        return False
