# SPDX-License-Identifier: Apache-2.0
"""Which machines of a fleet are trained on, watched while training, and judged on: no machine in two.

Machines are of one cohort when they have the same shape. Each cohort is divided by the hashes of its
machines' names, so that the same fleet is always divided the same way.
"""

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from jepa.errors import JepaError
from jepa_lab.fleet.survey import Host

_VALIDATION, _HELDOUT = 0.15, 1 / 3
"""Shares of a cohort's machines."""
_LEAST: Final = 3


@dataclass(frozen=True, slots=True)
class Split:
    """The machines of a fleet, divided."""

    train: tuple[Host, ...]
    validation: tuple[Host, ...]
    heldout: tuple[Host, ...]


def cohort(host: Host) -> str:
    """Its CPUs, its memory to the next power of two, and what kind of CPU, of its latest part."""
    shape = host.parts[-1].shape
    memory = "?" if not shape.memory_mib else f"{2 ** math.ceil(math.log2(shape.memory_mib / 1024)):g}"
    return f"{shape.cpus or '?'} CPUs, {memory} GiB, {shape.machine}"


def cohorts(hosts: Iterable[Host]) -> dict[str, list[Host]]:
    """The machines that have anything, by cohort."""
    found: dict[str, list[Host]] = {}
    for host in hosts:
        if host.parts:
            found.setdefault(cohort(host), []).append(host)
    return dict(sorted(found.items()))


def split(hosts: Sequence[Host]) -> Split:
    """Divide ``hosts``; JepaError when there are too few of them.

    A cohort of one or two machines is trained on. Where no cohort has three, all are divided as one.
    """
    groups = [group for group in cohorts(hosts).values() if len(group) >= _LEAST]
    rest = [host for group in cohorts(hosts).values() if len(group) < _LEAST for host in group]
    if not groups:
        groups, rest = [rest], []
    if len(groups[0]) < _LEAST:
        raise JepaError(
            f"{len(groups[0])} machines have recordings that can be used; {_LEAST} are needed.",
            "One is trained on, one watched meanwhile, one judged on. See `jepa-lab fleet ls`.",
        )
    parts: tuple[list[Host], list[Host], list[Host]] = (rest, [], [])
    for group in groups:
        order = sorted(group, key=lambda host: hashlib.sha256(host.host.encode()).digest())
        validation = max(1, round(_VALIDATION * len(order)))
        heldout = max(1, round(_HELDOUT * len(order)))
        parts[1].extend(order[:validation])
        parts[2].extend(order[validation : validation + heldout])
        parts[0].extend(order[validation + heldout :])
    return Split(*(tuple(sorted(part, key=lambda host: host.host)) for part in parts))
