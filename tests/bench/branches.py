# SPDX-License-Identifier: Apache-2.0
"""What actions did in the recorded moments, beside what the kernel's documentation says that they do.

`python -m tests.bench.branches [DIR]` reads the moments below DIR (default: those of the machine pack) and
writes build/bench/branches.json, a table. docs/explanation/laboratory.md shows it.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jepa.telemetry.schema import load_schema
from jepa_lab.branches.effects import Effects, effects
from jepa_lab.branches.store import RecordedMoment, load_moment, moments_in
from tools.record_branches import RECORDINGS
from tools.vm.image import BUILD

HORIZON_S = 15
OF_ROLE = {
    "cpu.weight": "cpu",
    "cpu.max": "cpu",
    "unit.freeze": "cpu",
    "memory.high": "memory",
    "memory.reclaim": "memory",
    "memory.low": "memory",
    "memory.swap.max": "memory",
    "io.weight": "io.write",
    "io.wbps": "io.write",
    "io.wiops": "io.write",
    "io.rbps": "io.read",
}
"""The channel of its role that an action is about."""
OF_MACHINE = {
    "vm.swappiness": "system.paging.swapped_out",
    "vm.dirty_background_bytes": "system.memory.dirty",
}
RAISES = (
    "cpu.weight",
    "io.weight",
    "memory.low",
    "memory.swap.max",
    "vm.swappiness",
    "vm.dirty_background_bytes",
)
"""What gives more where its value is higher; the others take away whatever is given."""
_LEAST = -1.0
_USUAL = {"cpu.weight": 100.0, "io.weight": 100.0}


def channel_of(action: str, target: str) -> str:
    """The channel in which the action should show first."""
    role = "foreground" if "foreground" in target else "background"
    return OF_MACHINE.get(action) or f"system.role.{role}.{OF_ROLE[action]}"


def expected(report: Mapping[str, Any]) -> int:
    """The sign of what the action should do to that channel, by the kernel's documentation."""
    if report["action"] not in RAISES:
        return -1
    return 1 if _number(report["new"], report["action"]) > _number(report["old"], report["action"]) else -1


def _number(value: Any, action: str) -> float:
    if value == "idle":
        return _LEAST
    if isinstance(value, int | float):
        return float(value)
    return _USUAL.get(action, 0.0) if value in (None, "default", "") else float("inf")


def row(moment: RecordedMoment, effect: Effects, position: int, channel: str, sign: int) -> Sequence[object]:
    """One line of the table."""
    programs = {each["role"]: each["name"] for each in moment.facts["programs"]}
    size, chance = float(effect.changed[position, 0]), float(effect.chance[position, 0])
    right = "yes" if size * sign > 0 else "no"
    return [
        f"{programs['foreground']}, {programs['background']}",
        moment.facts["shape"]["name"],
        f"`{effect.course}`",
        f"`{channel.removeprefix('system.')}`",
        float(effect.without[position, 0]),
        float(effect.without[position, 0]) + size,
        chance,
        right if abs(size) > 2 * chance else "within chance",
    ]


def table(root: Path) -> dict[str, object]:
    """The effect of every action that was taken at a moment itself, one row each."""
    schema = load_schema()
    rows = []
    for folder in moments_in(root):
        moment = load_moment(folder, schema)
        first = {each.name: each.reports[0] for each in moment.branches if each.reports}
        for effect in effects(moment, (HORIZON_S,)):
            report = first[effect.course]
            channel = channel_of(report["action"], report["target"])
            rows.append(row(moment, effect, schema.index(channel), channel, expected(report)))
    rows.sort(key=lambda each: (str(each[2]), str(each[0])))
    return {
        "columns": [
            *("foreground, background", "machine", "action", "channel"),
            *("without", "with", "without, twice: apart by", "sign as documented"),
        ],
        "rows": rows,
    }


def main() -> int:
    """Write the table, and print it."""
    found = table(Path(sys.argv[1]) if sys.argv[1:] else RECORDINGS)
    target = BUILD / "bench/branches.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    for each in found["rows"]:  # type: ignore[attr-defined]
        print(*each, sep=" | ")
    return 0


if __name__ == "__main__":
    sys.exit(main())
