# SPDX-License-Identifier: Apache-2.0
"""Causes below the system: a CPU that is too hot and slows down, a hypervisor that gives it to others."""

from collections.abc import Iterator
from typing import Final

from jepa.explanation.evidence import Cause
from jepa.explanation.situation import Situation

_HOT: Final = 95.0
_STOLEN: Final = 10.0


def cpu_too_hot(seen: Situation) -> Iterator[Cause]:
    """The CPU slows down to cool: nobody is to blame for using it."""
    told = seen.standing("thermal", "thermal_recovered")
    hot = seen.now("hw.temperature")
    if not told and hot < _HOT:
        return
    yield Cause(
        "cpu_too_hot",
        "temperature",
        "The CPU is too hot, and slows down to cool" if told else f"The machine is {hot:.0f} °C hot",
        0.75 if told else 0.5,
        (),
        (),
        (*seen.happened(told), *seen.channels("hw.temperature", "hw.power", "system.cpu.utilization")),
    )


def cpu_stolen(seen: Situation) -> Iterator[Cause]:
    """The hypervisor gives CPU time to other machines."""
    stolen = seen.now("system.cpu.utilization.steal")
    if stolen < _STOLEN:
        return
    yield Cause(
        "cpu_stolen",
        "cpu",
        f"The hypervisor gives {stolen:.0f} % of the CPU time to other machines",
        min(0.8, 0.3 + stolen / 200),
        (),
        (),
        tuple(seen.channels("system.cpu.utilization.steal", "system.pressure.cpu.some")),
    )
