# SPDX-License-Identifier: Apache-2.0
"""What the daemon does beside answering: publish its state, feed the watchdog, take back what is due."""

import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from jepa.actions import summary
from jepa.actions.actuator.local import ActionEngine
from jepa.actions.actuator.workers import Workers
from jepa.actions.change import Change
from jepa.actions.client import Availability
from jepa.actions.summary import KEPT, Summary
from jepa.errors import JepaError
from jepa.notify import Notifier

AVAILABILITY_S: Final = 60.0
"""How old what is published of this machine's abilities may get before it is looked at anew."""
AGAIN_S: Final = 5.0
"""After something that was due could not be taken back."""


class Housekeeping:
    """Called by the server's loop; does what takes long in a thread of its own."""

    def __init__(
        self, engine: ActionEngine, path: Path, notifier: Notifier, wake: Callable[[], None]
    ) -> None:
        """The summary is written to ``path``; ``wake`` has ``tick`` called soon, from any thread."""
        self._engine = engine
        self._path = path
        self._notifier = notifier
        self._wake = wake
        self._workers = Workers("housekeeping", 1)
        self._stale = True
        self._publishing = False
        self._expiring = False
        self._retry_s = 0.0
        self._fed_s = 0.0
        self._available: tuple[float, list[Availability]] = (0.0, [])

    def note(self) -> None:
        """Something changed, so that what is published is stale; from any thread."""
        self._stale = True
        self._wake()

    def tick(self) -> float | None:
        """Do what is to be done now; in how many seconds there is more, or None."""
        if self._stale and not self._publishing:
            self._stale, self._publishing = False, True
            self._workers.submit(self._publish)
        waits = [wait for wait in (self._feed_watchdog(), self._expire()) if wait is not None]
        return min(waits, default=None)

    def close(self) -> None:
        """Publish what is not yet."""
        if self._stale:
            self._publish()

    def _feed_watchdog(self) -> float | None:
        if self._notifier.watchdog_s is None:
            return None
        step, now = self._notifier.watchdog_s / 3, time.monotonic()
        if now - self._fed_s >= step:
            self._fed_s = now
            self._notifier.send(WATCHDOG=1)
        return max(0.0, self._fed_s + step - now)

    def _expire(self) -> float | None:
        """Where no timer of systemd does it."""
        if self._engine.timers.survives:
            return None
        deadline_s = self._engine.executor.next_deadline_s()
        if deadline_s is None:
            return None
        wait_s = max(deadline_s, self._retry_s) - self._engine.clock.boottime_s()
        if wait_s > 0:
            return wait_s
        if not self._expiring:
            self._expiring = True
            self._workers.submit(self._take_back)
        return AGAIN_S

    def _take_back(self) -> None:
        try:
            self._engine.executor.expire_due()
        except JepaError as error:
            print(f"jepa-actuator: {error}", file=sys.stderr, flush=True)
        finally:
            self._retry_s = self._engine.clock.boottime_s() + 1.0
            self._expiring = False
            self._wake()

    def _publish(self) -> None:
        try:
            summary.write(self._path, self._summary())
        except OSError as error:
            print(
                f"jepa-actuator: {self._path} cannot be written: {error.strerror}",
                file=sys.stderr,
                flush=True,
            )
        finally:
            self._publishing = False
            if self._stale:
                self._wake()

    def _summary(self) -> Summary:
        engine = self._engine
        changes = list(reversed(engine.executor.journal.changes))
        old = [change for change in changes[KEPT:] if change.in_force]
        shown = (old + changes[:KEPT])[:KEPT]
        return Summary(
            engine.clock.boot_id,
            sorted(shown, key=lambda change: change.ts_ns, reverse=True),
            _counts(changes, engine.clock.boot_id),
            self._availability(),
            engine.guard.policy_fault,
            engine.executor.journal.damage,
            len(engine.guard.grants()),
        )

    def _availability(self) -> list[Availability]:
        looked_s, found = self._available
        if not found or time.monotonic() - looked_s > AVAILABILITY_S:
            found = self._engine.availability()
            self._available = (time.monotonic(), found)
        return found


def _counts(changes: list[Change], boot_id: str) -> Mapping[str, Mapping[str, int]]:
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for change in changes:
        if change.boot_id == boot_id:
            counts[change.action][str(change.state)] += 1
    return {action: dict(states) for action, states in counts.items()}
