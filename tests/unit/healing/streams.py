# SPDX-License-Identifier: Apache-2.0
"""Observations of a machine over time, for the tests of detectors."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from jepa.healing.detectors import Detector
from jepa.healing.finding import Finding
from jepa.healing.observation import Observation, UnitSample

GIB = 2**30
CALM = Observation(
    0.0,
    cpus=2,
    memory_total=2 * GIB,
    memory_available=GIB,
    swap_total=GIB,
    swap_free=GIB,
    memory_full_s=0.0,
    memory_some_s=0.0,
)


def unit(name: str = "a.service", **more: Any) -> UnitSample:
    """A unit that runs and does nothing."""
    return replace(UnitSample(name, cpu_s=0.0, anonymous=50 * 2**20, written=0, tasks=5), **more)


def observed(
    detector: Detector, seconds: float, at: Callable[[float], dict[str, Any]], step: float = 1.0
) -> Iterator[tuple[float, list[Finding]]]:
    """The findings at each step, of a machine that is ``CALM`` but for what ``at`` says of the time."""
    for number in range(int(seconds / step) + 1):
        now = number * step
        changed = at(now)
        if isinstance(units := changed.get("units"), list):
            changed["units"] = {each.name: each for each in units}
        yield now, list(detector.observe(replace(CALM, now_s=now, **changed)))


def first(found: Iterator[tuple[float, list[Finding]]]) -> tuple[float, Finding] | None:
    """When the first finding comes, and which."""
    return next(((now, findings[0]) for now, findings in found if findings), None)
