# SPDX-License-Identifier: Apache-2.0
"""Causes in services: one failed, one that it needs is gone, one starts over and over or accepts nothing."""

import shlex
from collections import Counter
from collections.abc import Iterator
from typing import Final

from jepa.explanation.evidence import Cause, Evidence, Offender
from jepa.explanation.situation import Situation
from jepa.explanation.use import UnitUse

OLD: Final = 0.2
"""Severity of what is so for longer than the window: it explains nothing that is new."""
_NEW: Final = 0.6
_LOOP: Final = 4
_STILL: Final = 0.02
"""Percent of all CPU time below which a unit does nothing."""
_DEAD: Final = ("failed", "inactive")


def unit_failed(seen: Situation) -> Iterator[Cause]:
    """A service has failed; where one that it requires does not run, that one is the cause."""
    told = {event.unit: event for event in seen.standing("unit_failed", "unit_recovered")}
    states = {name: use for name, use in seen.uses.items() if use.active == "failed"}
    for name in dict.fromkeys((*(unit for unit in told if unit), *states)):
        event, use = told.get(name), seen.uses.get(name)
        if use is not None and use.active not in ("failed", "activating"):
            continue  # it runs again
        dead = [each for each in (use.requires if use else ()) if _is_dead(seen.uses.get(each))]
        severity = OLD if event is None else _NEW
        evidence = [*seen.happened([event] if event else []), *seen.said(name)]
        evidence += [_state(seen, each) for each in (*dead, name) if each in seen.uses]
        if dead:
            yield Cause(
                "dependency_failed",
                "service",
                f"{name} failed since {dead[0]}, which it requires, does not run",
                severity + 0.1,
                tuple(Offender(each, None, "required and does not run") for each in dead),
                (name,),
                (*evidence, *(line for each in dead for line in seen.said(each))),
            )
        else:
            yield Cause(
                "unit_failed",
                "service",
                f"{name} failed ({(event.detail if event else '') or (use.result if use else '')})",
                severity,
                (Offender(name, None, "failed"),),
                (name,),
                tuple(evidence),
            )


def _is_dead(use: UnitUse | None) -> bool:
    return use is not None and use.active in _DEAD


def _state(seen: Situation, name: str) -> Evidence:
    use = seen.uses[name]
    text = f"{name} is {use.active}" + (f" ({use.result})" if use.active == "failed" else "")
    return Evidence("state", name, text, f"systemctl status {shlex.quote(name)}", seen.window.at_ns)


def restart_loop(seen: Situation) -> Iterator[Cause]:
    """A service that systemd starts again and again."""
    restarts = seen.of_kind("unit_restarted")
    for name, times in Counter(event.unit for event in restarts if event.unit).items():
        if times < _LOOP:
            continue
        share = 100 * times / len(restarts)
        yield Cause(
            "restart_loop",
            "service",
            f"{name} was restarted {times} times in {seen.window.over_s / 60:.0f} min",
            0.65,
            (Offender(name, round(share, 1), "restarts"),),
            (name,),
            (*seen.happened([event for event in restarts if event.unit == name]), *seen.said(name)),
        )


def not_accepting(seen: Situation) -> Iterator[Cause]:
    """A service that runs and does nothing while connections wait for it."""
    waiting = sum(use.waiting for use in seen.uses.values())
    for name, use in seen.uses.items():
        if use.active == "active" and use.waiting and use.cpu < _STILL and use.throttled == 0:
            text = f"{use.waiting} connections wait for {name}, which uses no CPU time"
            yield Cause(
                "not_accepting",
                "service",
                f"{name} accepts no connection: {use.waiting} wait",
                0.6,
                (Offender(name, round(100 * use.waiting / waiting, 1), "connections that wait"),),
                (name,),
                (
                    seen.unit(name, text, use.waiting, "{connection}"),
                    *seen.channels("system.network.tcp.accept.queue"),
                    *seen.said(name),
                ),
            )
