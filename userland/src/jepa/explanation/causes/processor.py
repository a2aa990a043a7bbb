# SPDX-License-Identifier: Apache-2.0
"""Causes on the CPU: others take it, a quota holds back, threads wait for each other, processes multiply."""

from collections.abc import Iterator
from typing import Final

from jepa.explanation.causes.log import JOURNAL, log_storm
from jepa.explanation.evidence import Cause, Offender
from jepa.explanation.situation import Situation
from jepa.explanation.use import UnitUse, largest

_BUSY: Final = 80.0
_SOME_WAIT: Final = 20.0
"""Percent of time in which some task waits for a CPU, from which on it is short for a unit that waits."""
_MOST_WAIT: Final = 50.0
"""The same, whoever waits."""
_WAITS: Final = 5.0
_WAITS_SHARE: Final = 0.2
"""A unit suffers that waits so many percent of the time, and so much of the time that it could run."""
_HOG: Final = 40.0
"""Percent of the CPU time that others had which an offender takes at least, and half of what all units use.

Others had what neither the hypervisor took nor JEPA OS, which is an offender itself where it takes as much.
"""
_USUAL_WEIGHT: Final = 100
"""systemd's weight of a unit for which none is set; who has less is meant to wait."""
_THROTTLED: Final = 10.0
_SWITCHES: Final = 10_000.0
_TIMES_USUAL: Final = 4.0
_LOCK_WAIT: Final = 300.0
_IDLE: Final = 90.0
_FORKS: Final = 50.0
_TASKS: Final = 200.0


def cpu_contention(seen: Situation) -> Iterator[Cause]:
    """All CPU time is used and others wait for it; the unit with most of it, where one stands out."""
    busy, some = seen.now("system.cpu.utilization"), seen.now("system.pressure.cpu.some")
    if busy < _BUSY:
        return
    small = [use for use in seen.uses.values() if use.is_ours and use.cpu < _HOG]
    others = [use for use in seen.uses.values() if use not in small]
    first = largest(others, "cpu", 1)
    used = sum(use.cpu for use in others)
    ours = seen.own_cpu + sum(use.cpu for use in small)
    had = 1 - min(0.9, (seen.now("system.cpu.utilization.steal") + ours) / 100)
    hog = first[0] if first and first[0].cpu >= max(_HOG * had, used / 2) else None
    suffering = sorted(
        (use for use in seen.uses.values() if use is not hog and _suffers(use)),
        key=lambda use: -use.cpu_wait,
    )
    if not (some >= _MOST_WAIT or (some >= _SOME_WAIT and suffering)):
        return
    if hog and not suffering and (hog.weight or _USUAL_WEIGHT) < _USUAL_WEIGHT:
        return  # it runs where nobody else wants to
    if hog and hog.name == JOURNAL and any(log_storm(seen)):
        return  # it works for whoever floods the log, and that is told
    evidence = seen.channels(
        "system.cpu.utilization", "system.pressure.cpu.some", "system.cpu.run_queue.latency.p99"
    )
    evidence += seen.roles("cpu")
    severity = min(0.85, some / 100) * (1.0 if suffering else 0.8) * (1.0 if hog else 0.7)
    who = "some task waits" if not suffering else f"{suffering[0].name} waits"
    offenders: tuple[Offender, ...] = ()
    if hog is None:
        whose = "; no single unit takes most of them" if seen.uses else ""
        summary = f"The CPUs are saturated, and {who} for one{whose}"
    else:
        summary = f"{hog.name} takes {hog.cpu:.0f} % of all CPU time, and {who} for it"
        offenders = (seen.offender(hog, hog.cpu, "CPU time", seen.busiest_process(hog.name)),)
        evidence.append(
            seen.unit(hog.name, f"{hog.name} takes {hog.cpu:.0f} % of all CPU time", hog.cpu, "%")
        )
    yield Cause(
        "cpu_contention",
        "cpu",
        summary,
        severity,
        offenders,
        tuple(use.name for use in suffering[:3]),
        (*evidence, *seen.waits(suffering, "cpu_wait", "a CPU"), *seen.expected("cpu_saturation")),
    )


def _suffers(use: UnitUse) -> bool:
    wanted = (use.weight is None or use.weight >= _USUAL_WEIGHT) and not use.is_ours
    held_back = use.throttled >= _THROTTLED  # by its own quota, by nobody else
    return (
        wanted
        and not held_back
        and use.cpu_wait >= _WAITS
        and use.cpu_wait >= _WAITS_SHARE * (use.cpu_wait + use.cpu)
    )


def cpu_quota(seen: Situation) -> Iterator[Cause]:
    """A unit spends its CPU quota and is held back for the rest of each period."""
    for use in largest(seen.uses.values(), "throttled"):
        if use.throttled < _THROTTLED:
            continue
        share = min(100.0, use.throttled)
        yield Cause(
            "cpu_quota",
            "cpu",
            f"{use.name} is held back by its CPU quota {share:.0f} % of the time",
            min(0.8, 0.35 + share / 200),
            (seen.offender(use, share, "its own time, held back", seen.busiest_process(use.name)),),
            (use.name,),
            (
                seen.unit(
                    use.name,
                    f"{use.name} was throttled {use.throttled:.0f} % of the time",
                    use.throttled,
                    "%",
                    "systemctl show -p CPUQuotaPerSecUSec",
                ),
                seen.unit(use.name, f"{use.name} takes {use.cpu:.0f} % of all CPU time", use.cpu, "%"),
                *seen.channels("system.cpu.utilization"),
            ),
        )


def lock_convoy(seen: Situation) -> Iterator[Cause]:
    """Threads hand the CPU to each other far more often than usual, while CPUs have time left."""
    switches = seen.now("system.cpu.context_switches")
    usual = seen.window.typical("system.cpu.context_switches")
    locks, usual_locks = seen.now("system.lock.wait"), seen.window.typical("system.lock.wait")
    many = switches >= _SWITCHES and usual is not None and switches >= _TIMES_USUAL * usual
    long = locks >= _LOCK_WAIT and usual_locks is not None and locks >= _TIMES_USUAL * max(usual_locks, 1.0)
    if not (many or long) or seen.now("system.cpu.utilization") >= _IDLE:
        return
    by_unit: dict[str, float] = {}
    for process in seen.processes:
        if process.unit:
            by_unit[process.unit] = by_unit.get(process.unit, 0.0) + process.switches
    name, most = max(by_unit.items(), key=lambda each: each[1], default=("", 0.0))
    use = seen.uses.get(name)
    found = use is not None and switches > 0 and most >= max(_SWITCHES / 4, switches / 4)
    evidence = seen.channels("system.cpu.context_switches", "system.lock.wait", "system.cpu.utilization")
    offenders: tuple[Offender, ...] = ()
    summary = "Threads wait for each other: the CPUs are handed over far more often than usual"
    if use is not None and found:
        threads = [each for each in seen.processes if each.unit == name]
        share = min(100.0, 100 * most / switches)
        offenders = (
            seen.offender(use, share, "context switches", str(max(threads, key=lambda each: each.switches))),
        )
        summary = f"Threads of {name} wait for each other: {most:.0f} times a second one gives up its CPU"
        evidence.append(
            seen.unit(name, f"threads of {name} waited {most:.0f} times a second", most, "{switch}/s")
        )
    yield Cause(
        "lock_convoy", "cpu", summary, 0.55 if long else 0.45, offenders, (name,) if offenders else (),
        tuple(evidence),
    )  # fmt: skip


def fork_storm(seen: Situation) -> Iterator[Cause]:
    """A unit whose processes multiply."""
    for use in largest(seen.uses.values(), "forks"):
        if use.forks < _FORKS or use.tasks < _TASKS:
            continue
        tasks = sum(each.tasks for each in seen.uses.values())
        yield Cause(
            "fork_storm",
            "cpu",
            f"{use.name} has {use.tasks:.0f} tasks, {use.forks:.0f} more each second",
            0.8,
            (seen.offender(use, 100 * use.tasks / tasks, "tasks", seen.busiest_process(use.name)),),
            (),
            (
                seen.unit(use.name, f"{use.name} has {use.tasks:.0f} tasks", use.tasks, "{task}"),
                *seen.channels("system.process.created", "system.process.count"),
            ),
        )
