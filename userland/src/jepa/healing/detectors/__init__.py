# SPDX-License-Identifier: Apache-2.0
"""Detectors: each is given every observation in turn and answers the faults that it sees now."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from jepa.healing.finding import Finding
from jepa.healing.observation import Observation


class Detector(Protocol):
    """Sees one kind of fault. Deterministic: the same observations give the same findings."""

    def observe(self, observation: Observation) -> Iterable[Finding]:
        """The faults present now."""


def all_detectors() -> Sequence[Detector]:
    """One of each kind, with nothing seen yet."""
    from jepa.healing.detectors.disk import DiskFilling
    from jepa.healing.detectors.file_systems import FileSystemFailed
    from jepa.healing.detectors.hung import Hung
    from jepa.healing.detectors.leak import Leak
    from jepa.healing.detectors.storms import ForkStorm, LogStorm, Runaway
    from jepa.healing.detectors.thrashing import MemoryThrashing
    from jepa.healing.detectors.units import Flapping, UnitFailed

    return (
        UnitFailed(),
        Flapping(),
        Hung(),
        Leak(),
        MemoryThrashing(),
        DiskFilling(),
        FileSystemFailed(),
        Runaway(),
        ForkStorm(),
        LogStorm(),
    )
