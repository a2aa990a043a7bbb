# SPDX-License-Identifier: Apache-2.0
"""What jepa-healing has found: its detectors watch all the time, and see what a short look cannot."""

from collections.abc import Iterator
from typing import Final

from jepa.explanation.evidence import Cause, Offender, Resource
from jepa.explanation.situation import Situation

_RESOURCES: Final[dict[str, Resource]] = {
    "leak": "memory",
    "memory thrashing": "memory",
    "disk filling": "disk",
    "file system failed": "disk",
    "runaway": "cpu",
    "fork storm": "cpu",
    "log storm": "log",
}
"""Of a fault, as its event begins; the others are of services."""


def reported_fault(seen: Situation) -> Iterator[Cause]:
    """A fault that was detected and is not over; the unit that it is of, by what the detector measured."""
    for event in seen.standing("fault_detected", "fault_repaired"):
        fault, _, said = (event.detail or "").partition(": ")
        unit = event.unit or ""
        named = (Offender(unit, None, "reported by jepa-healing"),) if "." in unit else ()
        yield Cause(
            fault.replace(" ", "_"),
            _RESOURCES.get(fault, "service"),
            said or f"{unit}: {fault}",
            0.55,
            named,
            (),
            (
                *seen.happened([event]),
                *seen.happened(
                    each
                    for each in seen.of_kind("repair_proposed", "repair_made", "repair_refused")
                    if each.unit == unit
                ),
                *seen.said(unit),
            ),
        )
