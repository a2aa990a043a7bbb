# SPDX-License-Identifier: Apache-2.0
"""What the service tells of the actuator: read from the summary that it publishes, which wakes nobody."""

import stat
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from jepa.actions import summary
from jepa.actions.catalogue import action_type, catalogue
from jepa.actions.change import Change
from jepa.actions.rows import action_row, change_row, state
from jepa.actions.summary import Summary
from jepa.service.api import Part
from jepa.telemetry.clocks import boot_s

BOOT_ID = "proc/sys/kernel/random/boot_id"
SOCKET = "run/jepa-actuator/actuator.sock"


class ActuatorView:
    """The actuator of the machine below ``root``."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self._file = root / summary.FILE.relative_to("/")
        self._last: tuple[tuple[int, ...], Summary | None] = (), None
        """What the file said last, by its stamp."""

    def history(self, limit: int) -> list[dict[str, Any]]:
        """The newest changes, newest first."""
        found = self._read()
        return [] if found is None else [change_row(change) for change in found.changes[:limit]]

    def now(self, ids: Collection[str]) -> list[Change]:
        """The changes of these ids, as far as they are among those that it tells of."""
        found = self._read()
        return [] if found is None else [change for change in found.changes if change.id in ids]

    def of_task(self, task: str) -> list[dict[str, Any]]:
        """The newest changes of a task, newest first."""
        found = self._read()
        return [] if found is None else [change_row(each) for each in found.changes if each.task == task]

    def actions(self) -> list[dict[str, Any]]:
        """The catalogue, with what this machine lacks where the actuator has looked."""
        found = self._read()
        here = {each.action: each for each in found.availability} if found else {}
        return [action_row(action, here.get(action.name)) for action in catalogue().values()]

    def since_change_s(self, action: str, target: str) -> float | None:
        """Seconds since what ``action`` sets was last changed on ``target``; None where it was not."""
        found = self._read()
        setting = action_type(action).setting
        times = [
            change.applied_s
            for change in (found.changes if found else ())
            if change.applied_s is not None and (change.setting, change.target) == (setting, target)
        ]
        return boot_s() - max(times) if found is not None and times else None

    def counts(self) -> Iterator[tuple[str, str, int]]:
        """Changes since boot by action and state."""
        found = self._read()
        for action, states in sorted(found.counts.items()) if found else ():
            for name, count in sorted(states.items()):
                yield action, name, count

    def in_force(self) -> dict[str, int]:
        """Changes in force by state."""
        found = self._read()
        states: dict[str, int] = {"applied": 0, "committed": 0}
        for change in found.changes if found else ():
            if change.in_force:
                states[state(change)] += 1
        return states

    def ids_in_force(self) -> frozenset[str]:
        """Those of the changes in force."""
        found = self._read()
        return frozenset(change.id for change in (found.changes if found else ()) if change.in_force)

    def grants(self) -> int:
        """Grants in force."""
        found = self._read()
        return found.grants if found else 0

    def part(self) -> Part:
        """Whether it works: off where it is not installed, ok where it sleeps until it is asked."""
        found, listens = self._read(), self._listens()
        if found is None and not listens:
            return Part(
                name="actuator",
                state="off",
                reason="jepa-actuator does not run, so nothing is changed here.",
                remedy="Start it with systemctl start jepa-actuator.socket, or use jepa --local act.",
            )
        if found is not None and found.journal_fault:
            return Part(
                name="actuator",
                state="failed",
                reason=found.journal_fault,
                remedy="Nothing is changed until the journal can be written again.",
            )
        if found is not None and found.policy_fault:
            return Part(
                name="actuator",
                state="degraded",
                reason=f"The last good policy stays in force: {found.policy_fault}",
                remedy="Correct the file; `jepa policy check FILE` says what is wrong.",
            )
        if not listens:
            return Part(
                name="actuator",
                state="degraded",
                reason="Its socket is gone; what is in force is still taken back in time.",
                remedy="Start it with systemctl start jepa-actuator.socket.",
            )
        many = sum(self.in_force().values())
        grants = self.grants()
        said = f"{many} change{'s' * (many != 1)} in force"
        said += f", {grants} grant{'s' * (grants != 1)}." if grants else "."
        return Part(name="actuator", state="ok", reason=said)

    def _listens(self) -> bool:
        try:
            return stat.S_ISSOCK((self._root / SOCKET).stat().st_mode)
        except OSError:
            return False

    def _read(self) -> Summary | None:
        try:
            state = self._file.stat()
        except OSError:
            return None
        stamp = state.st_ino, state.st_mtime_ns, state.st_size
        if stamp != self._last[0]:
            self._last = stamp, summary.read(self._file)
        found = self._last[1]
        try:
            boot_id = (self._root / BOOT_ID).read_text().strip().replace("-", "")
        except OSError:
            return None
        return found if found is not None and found.boot_id == boot_id else None
