# SPDX-License-Identifier: Apache-2.0
"""An owner sees hours, gaps and shapes, and which machine is unlike the rest."""

import json
from typing import Any

from jepa.fleet.manifest import Shape, StoredRecording
from jepa_lab.fleet.overview import gaps, to_json, to_text, unlike
from jepa_lab.fleet.survey import Host, Problem, Survey
from tests.unit.fleet.machines import NOON_NS, SCHEMA
from tests.unit.fleet.test_manifest import a_part

HOUR_NS = 3600 * 10**9
CPU, MEMORY = "system.cpu.utilization", "system.memory.utilization"


def part(hour: int, level: float = 20.0, cpus: int = 2, **fields: Any) -> StoredRecording:
    return a_part(
        f"2026112{9 + (12 + hour) // 24}T{(12 + hour) % 24:02}0000Z-0123456789ab",
        start_ns=NOON_NS + hour * HOUR_NS,
        end_ns=NOON_NS + (hour + 1) * HOUR_NS - 10**9,
        shape=Shape(cpus=cpus, memory_mib=2048, kernel="6.12", machine="x86_64"),
        **{"levels": {CPU: level, MEMORY: 0.5}, **fields},
    )


def host(number: int, *parts: StoredRecording) -> Host:
    return Host(f"h-{number:016x}", parts, levels=parts[-1].levels if parts else {})


def test_a_gap_is_where_nothing_is() -> None:
    (gap,) = gaps(host(1, part(0), part(1), part(5)))
    assert round(gap.hours, 2) == 3.0
    assert gaps(host(1, part(0))) == []


def test_the_odd_machine_is_found_and_no_other() -> None:
    rest = [host(number, part(0, 20.0 + number)) for number in range(5)]
    assert unlike(rest, SCHEMA) == {}
    odd = host(9, part(0, 95.0, cpus=64, levels={CPU: 95.0}))
    ((name, why),) = unlike([*rest, odd], SCHEMA).items()
    assert name == odd.host
    assert why[0].startswith("shape: 64 CPUs")
    assert why[1] == f"lacks 1 channels: {MEMORY}"
    assert f"1 channels far off (0 to 1): {CPU} " in why[2]


def test_of_two_kinds_that_are_as_many_neither_is_odd() -> None:
    halves = [host(number, part(0, level)) for number, level in enumerate((10.0, 11.0, 90.0, 91.0))]
    assert unlike(halves, SCHEMA) == {}
    (odd,) = unlike(
        [host(number, part(0, level)) for number, level in enumerate((10.0, 11, 12, 90))], SCHEMA
    )
    assert odd == host(3).host


def test_of_three_nobody_is_odd() -> None:
    assert unlike([host(1, part(0)), host(2, part(0)), host(3, part(0, 99.0))], SCHEMA) == {}
    assert unlike([], SCHEMA) == {}


def test_it_reads_well() -> None:
    found = Survey((host(1, part(0), part(7)), host(2)), (Problem("hosts/x\x1b", "It is\nwrong."),))
    text = to_text(found, SCHEMA)
    assert text.startswith("2 machines, 2.0 hours")
    assert "h-0000000000000001  2026-11-29 13:00" not in text
    assert "2026-11-29 12:59  6.0 h" in text
    assert "\x1b" not in text
    said = to_json(found, SCHEMA)
    assert json.dumps(said)
    assert [row["parts"] for row in said["hosts"]] == [2, 0]
