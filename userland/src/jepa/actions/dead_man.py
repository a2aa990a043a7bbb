# SPDX-License-Identifier: Apache-2.0
"""The dead-man's timer: takes a change back when its time is over, whoever of us is still alive by then.

It is armed before a change is made. All that it does is to have ``Recovery.expire`` called at a time:
whether there is still something to take back, the journal knows.
"""

import contextlib
import fcntl
import os
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final, Protocol

import jepa
from jepa.actions.service_manager import ServiceManager
from jepa.errors import JepaError

ACTUATOR: Final = "/usr/bin/jepa-actuator"
REAPER_LOCK: Final = "expire.lock"
_AGAIN_S: Final = 10
_START_S: Final = 10.0


class DeadMan(Protocol):
    """Timers by the id of a change."""

    survives: bool
    """Whether they outlive every process of JEPA OS."""

    def arm(self, change_id: str, seconds: float) -> None:
        """Have the change looked at in ``seconds``, instead of when it was armed for before.

        JepaError (503) when nothing can be armed; then nothing may be changed.
        """

    def disarm(self, change_id: str) -> None:
        """There is nothing to take back any more. Never raises."""

    def armed(self) -> Collection[str]:
        """The changes that this process armed a timer for."""


class SystemdDeadMan:
    """A transient timer and service of systemd for each change: they outlive every process of ours.

    The timer counts while the machine runs, and no setting of the date moves it; a change that outlives
    a reboot is the recovery's at boot. When a timer is armed anew, the new one is started before the old
    one is stopped, so that there is always one.
    """

    survives = True

    def __init__(self, manager: ServiceManager, command: str = ACTUATOR) -> None:
        self._manager = manager
        self._command = command
        self._armed: dict[str, str] = {}

    def arm(self, change_id: str, seconds: float) -> None:
        """Start ``jepa-revert-ID.timer``, or ``jepa-revert-ID-2.timer`` where the first is there."""
        before = self._armed.get(change_id)
        problem: JepaError | None = None
        for name in _names(change_id):
            if name == before:
                continue
            try:
                self._start(name, change_id, seconds)
            except JepaError as error:
                problem = (
                    error  # armed by an earlier process: the other name is free, or there is no systemd
                )
                continue
            self._armed[change_id] = name
            if before is not None or problem is not None:
                self._stop(next(other for other in _names(change_id) if other != name))
            return
        raise JepaError(
            f"No timer could be armed that takes the change back: {problem.problem if problem else ''}",
            "Nothing was changed. See `systemctl status` for what is wrong with systemd.",
            status=503,
        ) from problem

    def disarm(self, change_id: str) -> None:
        """Stop its timers."""
        known = self._armed.pop(change_id, None)
        for name in (known,) if known else _names(change_id):
            self._stop(name)

    def armed(self) -> Collection[str]:
        """As of this process."""
        return tuple(self._armed)

    def _start(self, name: str, change_id: str, seconds: float) -> None:
        microseconds = max(1, int(seconds * 1e6))
        timer: dict[str, tuple[str, Any]] = {
            "Description": ("s", f"Take back change {change_id} of JEPA OS"),
            "TimersMonotonic": ("a(st)", [("OnActiveSec", microseconds)]),
            "AccuracyUSec": ("t", 1_000_000),
            "RemainAfterElapse": ("b", False),
        }
        service: dict[str, tuple[str, Any]] = {
            "Description": ("s", f"Take back change {change_id} of JEPA OS"),
            "Type": ("s", "oneshot"),
            "ExecStart": ("a(sasb)", [(self._command, [self._command, "--expire", change_id], False)]),
            "Restart": ("s", "on-failure"),
            "RestartUSec": ("t", _AGAIN_S * 1_000_000),
            "CollectMode": ("s", "inactive-or-failed"),
        }
        self._manager.start_transient(f"{name}.timer", timer, [(f"{name}.service", service)])

    def _stop(self, name: str) -> None:
        with contextlib.suppress(JepaError):  # it is not there, or it fires and finds nothing to do
            self._manager.stop(f"{name}.timer")


class DetachedDeadMan:
    """One process of its own session for all changes, for machines without systemd.

    It outlives the process that made the change and the terminal, but nobody starts it again when it is
    killed itself: then the next start of anything that opens the journal takes back what is due.
    """

    survives = False

    def __init__(self, directory: Path, python: str = sys.executable) -> None:
        self._directory = directory
        self._python = python
        self._armed: set[str] = set()

    def arm(self, change_id: str, seconds: float) -> None:
        """Have the process run; it reads the deadlines from the journal."""
        try:
            lock = take_reaper_lock(self._directory)
        except OSError as error:
            raise _unstarted(str(error)) from error
        if lock is not None:
            os.close(lock)
            self._spawn()
        self._armed.add(change_id)

    def disarm(self, change_id: str) -> None:
        """The process sees in the journal that it is over."""
        self._armed.discard(change_id)

    def armed(self) -> Collection[str]:
        """As of this process."""
        return tuple(self._armed)

    def _spawn(self) -> None:
        import subprocess  # takes longer than all else here, and where systemd runs nobody needs it

        sources = str(Path(jepa.__file__).parents[1])
        path = os.pathsep.join(filter(None, (sources, os.environ.get("PYTHONPATH"))))
        try:
            done = subprocess.run(
                [self._python, "-m", "jepa.actions.expire", str(self._directory)],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_START_S,
                env={**os.environ, "PYTHONPATH": path},
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _unstarted(str(error)) from error
        if done.returncode:
            raise _unstarted(done.stderr.strip()[-200:] or f"exit code {done.returncode}")


def take_reaper_lock(directory: Path) -> int | None:
    """The lock that the process behind ``DetachedDeadMan`` holds; None while one does. Raises OSError."""
    fd = os.open(directory / REAPER_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    return fd


def _names(change_id: str) -> tuple[str, str]:
    return (f"jepa-revert-{change_id}", f"jepa-revert-{change_id}-2")


def _unstarted(reason: str) -> JepaError:
    return JepaError(
        f"The process that would take the change back could not be started: {reason}.",
        "Nothing was changed.",
        status=503,
    )
