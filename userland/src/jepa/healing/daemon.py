# SPDX-License-Identifier: Apache-2.0
"""jepa-healing: watches for faults, and has the actuator repair them."""

import argparse
import ctypes
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from jepa.actions.messages import ActionRequest
from jepa.ending import when_asked
from jepa.errors import JepaError
from jepa.healing.detectors import all_detectors
from jepa.healing.hands import ActuatorRepairHands
from jepa.healing.healer import Healer
from jepa.healing.ladder import load
from jepa.healing.loggers import newest_loggers
from jepa.healing.mode import FILE, ModeFile
from jepa.healing.observation import Observation
from jepa.healing.observer import Observer
from jepa.healing.report import HealingReport
from jepa.healing.unit_changes import UnitChanges
from jepa.notify import Notifier
from jepa.telemetry.events.event import Event
from jepa.telemetry.events.reporting import EventReporter

PERIOD_S: Final = 1.0
QUICK_S: Final = 0.25
"""How often memory is looked at: it can be gone within a second."""
_SCARCE: Final = 0.25
"""Share of memory below which everything is looked at as often."""
_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4
_EVENTS: Final = {
    "detected": ("fault_detected", "warning"),
    "proposed": ("repair_proposed", "info"),
    "acted": ("repair_made", "info"),
    "refused": ("repair_refused", "warning"),
    "repaired": ("fault_repaired", "info"),
    "gave_up": ("repair_gave_up", "error"),
}
"""Kind and severity of the event for each stage."""


def stay_in_memory() -> bool:
    """Keep the pages that this process has used in memory: it must run when there is none left.

    Returns whether that worked. Only those used: all that its libraries map would not fit its limit.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT) == 0)


def is_memory_short(observation: Observation) -> bool:
    """Whether to look at everything now and not at the next full second."""
    return observation.memory_available < _SCARCE * observation.memory_total


def watch(
    observer: Observer,
    healer: Healer,
    hold: Callable[[], bool],
    report: Callable[[HealingReport], None],
    ending: threading.Event,
    notifier: Notifier,
) -> None:
    """Look, and do what is called for, until ``ending`` is set."""
    due = asked = 0.0
    notifier.send(READY=1)
    while not ending.is_set():
        now = time.monotonic()
        if now >= due or is_memory_short(observer.memory(now)):
            # systemd is asked once a second at most: it has to answer everybody else, too.
            ask = now - asked >= PERIOD_S
            asked = now if ask else asked
            hold()
            for each in healer.observe(observer.observe(now, ask_manager=ask)):
                report(each)
            due = now + PERIOD_S
            notifier.send(WATCHDOG=1)
        ending.wait(QUICK_S)


def as_event(report: HealingReport) -> Event:
    """``report`` among the machine's events."""
    kind, severity = _EVENTS[report.stage]
    detail = f"{report.fault.value.replace('_', ' ')}: {report.text}"
    return Event(time.time_ns(), kind, report.subject, detail, severity, "healing")


def main(argv: Sequence[str] | None = None) -> int:
    """Watch until SIGTERM or SIGINT; 1 with one sentence when it cannot."""
    parser = argparse.ArgumentParser(
        prog="jepa-healing", description="Watch for faults, and have the actuator repair them."
    )
    parser.add_argument("--config", type=Path, default=FILE, help="the mode (default: %(default)s)")
    parser.add_argument("--reports", type=Path, help="where to report (default: jepa-telemetry's socket)")
    args = parser.parse_args(argv)
    from jepa.actions.actuator.connect import connect
    from jepa.actions.clock import HostClock
    from jepa.actions.request import make
    from jepa.actions.systemd_bus import SystemdBus

    ending = threading.Event()
    when_asked(ending.set)
    mode = ModeFile(args.config)
    hands = ActuatorRepairHands(connect)
    reporter = EventReporter(args.reports)

    def hold() -> bool:
        """While it may act, the actuator is kept running; else it may end."""
        if mode() == "auto":
            return hands.hold()
        if mode() != "ask" or not healer.open_episodes:
            hands.release()
        return False

    clock = HostClock()

    def request(**what: Any) -> ActionRequest:
        return make(clock, **what)

    def report(each: HealingReport) -> None:
        _say(f"{each.stage} {each.fault} {each.subject}: {each.text}")
        reporter.report(as_event(each))

    if not stay_in_memory():
        _say("its pages cannot be kept in memory: it may be slow when memory is short")
    changes = UnitChanges()
    observer = Observer(Path("/"), SystemdBus(), newest_loggers, changed=changes)
    healer = Healer(all_detectors(), load(), hands, mode, request)
    try:
        watch(observer, healer, hold, report, ending, Notifier())
    except JepaError as error:
        _say(str(error))
        return 1
    finally:
        observer.close()
        changes.close()
        hands.release()
        reporter.close()
    return 0


def _say(text: str) -> None:
    print(f"jepa-healing: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
