# SPDX-License-Identifier: Apache-2.0
"""From what the customer got to availability, times to detect and times to repair, with their intervals."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

DAY_S: Final = 86400.0
FAULTS_A_DAY: Final = 24
"""The declared rate, for which the availability of a day is told."""
DRAWS: Final = 10_000
AFTER_S: Final = 20.0
"""Requests that fail so shortly after a person has been there are still that fault's."""
_Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of the schedule; times in seconds since boot."""

    kind: str
    onset: float
    person: float
    """When a person came."""
    put_right: float
    """When the person was done."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run came to."""

    times: list[float]
    """Seconds since boot at which each request was made."""
    served: list[bool]
    faults: list[Fault]
    noticed: list[float]
    """Times at which something said that it saw a fault."""
    acted: list[str]
    """What healing did: lines of its log."""
    seconds: float

    @property
    def availability(self) -> float:
        """Share of the time, in which the newest request was served."""
        gaps = np.diff(np.array(self.times))
        return float(gaps[np.array(self.served[:-1])].sum() / gaps.sum())

    def down(self) -> list[float]:
        """For each fault the seconds from its first failed request to the first that is served for good."""
        found = []
        for fault in self.faults:
            end = fault.put_right + AFTER_S
            around = [
                (at, well)
                for at, well in zip(self.times, self.served, strict=True)
                if fault.onset - 1 <= at < end
            ]
            failed = [number for number, (_, well) in enumerate(around) if not well]
            if not failed:
                found.append(0.0)
                continue
            after = around[min(failed[-1] + 1, len(around) - 1)][0]
            found.append(after - around[failed[0]][0])
        return found

    def delays(self) -> list[float | None]:
        """For each fault the seconds until something noticed it; None when only the person did."""
        return [
            min((at - fault.onset for at in self.noticed if fault.onset <= at < fault.person), default=None)
            for fault in self.faults
        ]


def interval(
    values: Sequence[float], of: Callable[[_Numbers], _Numbers] | None = None
) -> tuple[float, float, float]:
    """The mean and the bounds of its 95 % bootstrap interval over ``values``, as ``of`` makes of means."""
    of = of or (lambda means: means)
    numbers = np.array(values, dtype=np.float64)
    drawn = np.random.default_rng(1).integers(0, len(numbers), (DRAWS, len(numbers)))
    low, high = np.percentile(of(numbers[drawn].mean(axis=1)), [2.5, 97.5])
    return float(of(numbers.mean(keepdims=True))[0]), float(low), float(high)


def ratio(values: Sequence[float], others: Sequence[float]) -> tuple[float, float, float]:
    """The ratio of two means and its 95 % interval, drawn by faults that both have had."""
    pairs = np.array([values, others], dtype=np.float64)
    drawn = np.random.default_rng(1).integers(0, pairs.shape[1], (DRAWS, pairs.shape[1]))
    above, below = pairs[0][drawn].mean(axis=1), pairs[1][drawn].mean(axis=1)
    low, high = np.percentile(above / np.maximum(below, 1e-9), [2.5, 97.5])
    return float(pairs[0].mean() / pairs[1].mean()), float(low), float(high)


def entries(outcomes: Mapping[str, Outcome]) -> dict[str, Any]:
    """The figures of each variant, and a table by kind of fault."""
    faulty = {name: each for name, each in outcomes.items() if each.faults}
    controls = {name: each for name, each in outcomes.items() if not each.faults}
    found: dict[str, Any] = {
        "setup": "QEMU 10.0.13 of the image's tools tree, in virtual time, 1 vCPU, 2 GiB; "
        "jepad and jepa-telemetry stopped in all variants",
        "faults_a_day": FAULTS_A_DAY,
        "intervals": "95 %, bootstrap over faults",
        "variants": {name: of_variant(each) for name, each in faulty.items()},
    }
    if {"healing", "systemd"} <= faulty.keys():
        healing, systemd = faulty["healing"].down(), faulty["systemd"].down()
        count = min(len(healing), len(systemd))
        both = [(a, b) for a, b in zip(healing[:count], systemd[:count], strict=True) if a or b]
        found["mttr_ratio"] = _three(ratio([a for a, _ in both], [b for _, b in both]), 3)
    found["controls"] = {
        name: {"hours": each.seconds / 3600, "repairs": len(each.acted), "acted": each.acted}
        for name, each in controls.items()
    }
    return {**found, **table(faulty)}


def of_variant(outcome: Outcome) -> dict[str, Any]:
    """The numbers of one variant."""
    down, delays = outcome.down(), outcome.delays()
    hit = [each for each in down if each]
    seen = [each for each in delays if each is not None]
    day = interval(down, lambda mean: 100 * (1 - FAULTS_A_DAY * mean / DAY_S))
    return {
        "faults": len(down),
        "reached_the_customer": len(hit),
        "availability_measured": round(100 * outcome.availability, 2),
        "availability_of_a_day": _three(day, 3),
        "down_per_fault_s": _three(interval(down), 2),
        "repair_s": _three(interval(hit), 2) if hit else None,
        "detected": len(seen) if outcome.noticed else None,
        "detection_s": _three(interval(seen), 2) if seen else None,
        "repairs": len(outcome.acted),
        "each": [
            {
                "kind": fault.kind,
                "down_s": round(lost, 1),
                "seen_s": None if delay is None else round(delay, 1),
            }
            for fault, lost, delay in zip(outcome.faults, down, delays, strict=True)
        ],
    }


def table(outcomes: Mapping[str, Outcome]) -> dict[str, Any]:
    """Seconds without service of each fault, by kind and variant, with the figures of each variant below."""
    kinds = sorted({fault.kind for each in outcomes.values() for fault in each.faults})
    rows = [[kind, *(_by_kind(each, kind) for each in outcomes.values())] for kind in kinds]
    variants = [of_variant(each) for each in outcomes.values()]
    for title, name, digits in (
        ("*mean of all, s*", "down_per_fault_s", 1),
        ("*mean of those that reached the customer, s*", "repair_s", 1),
        ("*noticed after, mean, s*", "detection_s", 1),
        (f"*availability of a day with {FAULTS_A_DAY} faults, %*", "availability_of_a_day", 2),
    ):
        rows.append([title, *(_words(each[name], digits) for each in variants)])
    rows.append(
        [
            "*availability while it was measured, %*",
            *(f"{each['availability_measured']}" for each in variants),
        ]
    )
    return {"columns": ["fault: seconds without service (noticed after)", *outcomes], "rows": rows}


def _by_kind(outcome: Outcome, kind: str) -> str:
    cells = []
    for fault, lost, delay in zip(outcome.faults, outcome.down(), outcome.delays(), strict=True):
        if fault.kind == kind:
            seen = "not" if delay is None else f"{delay:.1f}"
            cells.append(f"{lost:.0f} ({seen})" if outcome.noticed else f"{lost:.0f}")
    return ", ".join(cells)


def _words(values: list[float] | None, digits: int) -> str:
    if values is None:
        return ""
    mean, low, high = (f"{each:.{digits}f}" for each in values)
    return f"{mean} ({low} to {high})"


def _three(values: tuple[float, float, float], digits: int) -> list[float]:
    return [round(each, digits) for each in values]
