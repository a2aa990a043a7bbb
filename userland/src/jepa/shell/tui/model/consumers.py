# SPDX-License-Identifier: Apache-2.0
"""The table of what runs: processes or units, what matters first, with heads."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from jepa.shell.formatting import quantity
from jepa.shell.processes import KERNEL, Use
from jepa.shell.tui.model.line import Line, Role, Span, columns

Order = Literal["what matters", "cpu", "memory", "disk", "name"]
ORDERS: Final[tuple[Order, ...]] = ("what matters", "cpu", "memory", "disk", "name")
BUSY: Final = 50.0
"""Percent of a core from which a process is marked."""
DISK: Final = 10 * 1024.0
"""KiB/s of disk traffic that matter as much as a whole core."""
HEADS: Final = ("NAME", "UNIT", "PID", "CPU %", "MEMORY", "READ/s", "WRITE/s")


@dataclass(frozen=True, slots=True)
class Row:
    """One process or unit, as the cells of a table."""

    use: Use
    name: str
    unit: str
    pid: str
    """Of a unit how many processes it has."""
    cpu: str
    memory: str
    read: str
    write: str

    @property
    def cells(self) -> tuple[str, ...]:
        """In the order of HEADS."""
        return (self.name, self.unit, self.pid, self.cpu, self.memory, self.read, self.write)


def traffic(use: Use) -> float:
    """KiB/s from and to disks."""
    return (use.read or 0.0) + (use.write or 0.0)


def weight(use: Use, memory_mib: float) -> float:
    """How much a process matters: its share of a core, of the memory, and what it moves, in percent."""
    held = 100 * use.memory / memory_mib if memory_mib else 0.0
    return use.cpu + held + min(100 * traffic(use) / DISK, 100.0)


def ordered(uses: Iterable[Use], order: Order, memory_mib: float) -> list[Use]:
    """``uses`` with what matters most first; equal ones by name and PID, so that idle rows stand still."""
    keys: dict[Order, Callable[[Use], float]] = {
        "what matters": lambda use: -round(weight(use, memory_mib), 1),
        "cpu": lambda use: -round(use.cpu, 1),
        "memory": lambda use: -use.memory,
        "disk": lambda use: -round(traffic(use)),
        "name": lambda use: 0.0,
    }
    return sorted(uses, key=lambda use: (keys[order](use), use.name.lower(), use.pid))


def row(use: Use) -> Row:
    """The cells of one process or unit; what uses nothing has a blank, so that what does stands out."""
    return Row(
        use,
        use.name,
        use.unit.removesuffix(".service") if use.pid else "",
        str(use.pid) if use.pid else f"({use.count})",
        f"{use.cpu:.1f}" if use.cpu >= 0.05 else "",
        quantity(use.memory * 1024, "KiB") if use.memory >= 0.1 else "",
        _flow(use.read),
        _flow(use.write),
    )


def _flow(rate: float | None) -> str:
    if rate is None:
        return "-"
    return quantity(rate, "KiB") if rate >= 0.5 else ""


def panel(uses: Sequence[Use], width: int, rows: int, memory_mib: float, ellipsis: str) -> list[Line]:
    """The first of them under their heads, in ``rows`` lines of ``width`` characters."""
    fields, widths = _layout(width, any(use.unit not in ("", KERNEL) for use in uses))
    body = []
    for use in ordered(uses, "what matters", memory_mib)[: max(rows - 1, 0)]:
        made = dict(zip(HEADS, row(use).cells, strict=True))
        role: Role = "warn" if use.cpu >= BUSY else "text"
        body.append([Span(made[field], _role(field, role)) for field in fields])
    head = [Span(each, "muted") for each in fields]
    right = [place for place, field in enumerate(fields) if field not in ("NAME", "UNIT")]
    return columns([head, *body], widths, right, ellipsis)


def _role(field: str, role: Role) -> Role:
    if field == "CPU %":
        return role
    return "strong" if field == "NAME" else "muted" if field in ("UNIT", "PID") else "text"


def _layout(width: int, units: bool) -> tuple[list[str], list[int]]:
    """Fields and their widths for ``width`` characters: what matters less is left out first."""
    fixed = {"PID": 7, "CPU %": 6, "MEMORY": 8, "READ/s": 8, "WRITE/s": 8}
    fields = [field for field in HEADS if units or field != "UNIT"]
    for unwanted in ("PID", "UNIT", "READ/s", "WRITE/s", "MEMORY"):
        if sum(fixed.get(field, 14) + 2 for field in fields) <= width:
            break
        if unwanted in fields:
            fields.remove(unwanted)
    words = [field for field in fields if field not in fixed]
    room = width - sum(fixed[field] + 2 for field in fields if field in fixed) - 2 * (len(words) - 1)
    share = max(room // len(words), 4)
    return fields, [fixed.get(field, share) for field in fields]
