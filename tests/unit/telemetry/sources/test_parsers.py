# SPDX-License-Identifier: Apache-2.0
"""Parsers give what is there and None for what is not, whatever bytes they are given."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.telemetry.sources import cgroup, cpu, disk, memory, network, pressure, processes, sensors, vmstat
from jepa.telemetry.sources.base import at, count, grown

PARSERS: list[tuple[Callable[[bytes], Any], str]] = [
    (cpu.parse_stat, "proc/stat"),
    (cpu.parse_load, "proc/loadavg"),
    (pressure.parse_pressure, "proc/pressure/io"),
    (memory.parse_meminfo, "proc/meminfo"),
    (vmstat.parse_vmstat, "proc/vmstat"),
    (disk.parse_diskstats, "proc/diskstats"),
    (network.parse_net_dev, "proc/net/dev"),
    (cgroup.parse_cpu_stat, "sys/fs/cgroup/system.slice/cpu.stat"),
    (cgroup.parse_cpu_list, "sys/devices/system/cpu/online"),
    (processes.parse_threads, "proc/loadavg"),
    (sensors.parse_millidegrees, "sys/class/thermal/thermal_zone0/temp"),
]
each_parser = pytest.mark.parametrize(
    ("parse", "file"), PARSERS, ids=[f"{p.__module__.rpartition('.')[2]}.{p.__name__}" for p, _ in PARSERS]
)


def numbers(sample: Any) -> list[float]:
    """Every number in what a parser gave."""
    if sample is None:
        return []
    if dataclasses.is_dataclass(sample) and not isinstance(sample, type):
        return [
            number for field in dataclasses.fields(sample) for number in numbers(getattr(sample, field.name))
        ]
    if isinstance(sample, dict):
        return [number for part in sample.values() for number in numbers(part)]
    return [sample]


def check(sample: Any) -> None:
    for number in numbers(sample):
        assert math.isfinite(number)
        assert -(2**64) < number < 2**65


@each_parser
def test_reads_the_real_format(
    parse: Callable[[bytes], Any], file: str, kernel_files: dict[str, str]
) -> None:
    assert numbers(parse(kernel_files[file].encode()))


@each_parser
@given(content=st.binary(max_size=400))
def test_any_bytes(parse: Callable[[bytes], Any], file: str, content: bytes) -> None:
    check(parse(content))


@each_parser
@given(data=st.data())
def test_a_cut_file(
    parse: Callable[[bytes], Any], file: str, data: st.DataObject, kernel_files: dict[str, str]
) -> None:
    content = kernel_files[file].encode()
    check(parse(content[: data.draw(st.integers(0, len(content)))]))


FIELDS = st.sampled_from(
    [
        b"",
        b"-1",
        b"x",
        b"1e400",
        b"nan",
        b"inf",
        b"9" * 5000,
        str(2**64).encode(),
        "٣".encode(),
        b"1_0",
        b"\0",
        b"\xff",
    ]
)


@each_parser
@given(data=st.data())
def test_bad_fields(
    parse: Callable[[bytes], Any], file: str, data: st.DataObject, kernel_files: dict[str, str]
) -> None:
    lines = [line.split(" ") for line in kernel_files[file].split("\n")]
    for _ in range(data.draw(st.integers(1, 4))):
        line = data.draw(st.sampled_from(lines))
        place = data.draw(st.integers(0, len(line) - 1))
        line[place] = data.draw(FIELDS).decode("utf-8", "surrogateescape")
    check(parse("\n".join(" ".join(line) for line in lines).encode("utf-8", "surrogateescape")))


@each_parser
@given(data=st.data())
def test_missing_columns_and_lines(
    parse: Callable[[bytes], Any], file: str, data: st.DataObject, kernel_files: dict[str, str]
) -> None:
    kept = []
    for line in kernel_files[file].split("\n"):
        fields = line.split()
        del fields[data.draw(st.integers(0, len(fields))) :]
        kept.append(" ".join(fields))
    check(parse("\n".join(kept).encode()))


@pytest.mark.parametrize(
    ("field", "number"),
    [
        (b"0", 0),
        (b"18446744073709551615", 2**64 - 1),
        (b"18446744073709551616", None),
        (b"", None),
        (b"-1", None),
        (b"1.5", None),
        (b" 1", None),
        (b"1_0", None),
        (b"9" * 10_000, None),
    ],
)
def test_a_counter_is_a_plain_64_bit_number(field: bytes, number: int | None) -> None:
    assert count(field) == number


def test_a_short_line_has_no_such_column() -> None:
    assert at([b"1"], 1) is None


@pytest.mark.parametrize(
    ("before", "after", "rise"), [(3, 5, 2), (5, 5, 0), (5, 3, None), (None, 3, None), (3, None, None)]
)
def test_a_counter_that_fell_has_no_rise(before: int | None, after: int | None, rise: int | None) -> None:
    assert grown(before, after) == rise
