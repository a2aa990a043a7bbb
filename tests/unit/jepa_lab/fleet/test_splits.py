# SPDX-License-Identifier: Apache-2.0
"""A fleet is divided by machines, each kind of them by itself, and always alike."""

import pytest

from jepa.errors import JepaError
from jepa.fleet.manifest import Shape
from jepa_lab.fleet.splits import Split, cohort, cohorts, split
from jepa_lab.fleet.survey import Host
from tests.unit.fleet.test_manifest import a_part


def host(number: int, cpus: int = 2, memory_mib: int = 2048) -> Host:
    shape = Shape(cpus=cpus, memory_mib=memory_mib, kernel="6.12", machine="x86_64")
    return Host(f"h-{number:016x}", (a_part(shape=shape),))


def names(divided: Split) -> list[set[str]]:
    return [{each.host for each in part} for part in (divided.train, divided.validation, divided.heldout)]


def test_no_machine_is_in_two_and_each_kind_is_in_all_three() -> None:
    fleet = [host(number, cpus) for cpus in (2, 64) for number in range(cpus * 100, cpus * 100 + 20)]
    divided = split(fleet)
    train, validation, heldout = names(divided)
    assert train | validation | heldout == {each.host for each in fleet}
    assert len(train) + len(validation) + len(heldout) == len(fleet)
    for part in (divided.train, divided.validation, divided.heldout):
        assert len(cohorts(part)) == 2
    assert (len(train), len(validation), len(heldout)) == (20, 6, 14)
    assert names(split(fleet[::-1])) == [train, validation, heldout]


def test_a_single_odd_machine_is_trained_on() -> None:
    odd = host(9, cpus=128)
    assert odd.host in names(split([*(host(number) for number in range(3)), odd]))[0]


def test_where_all_differ_they_are_divided_as_one() -> None:
    assert [len(each) for each in names(split([host(number, number + 1) for number in range(4)]))] == [
        2,
        1,
        1,
    ]


def test_two_machines_are_too_few() -> None:
    with pytest.raises(JepaError, match="2 machines have recordings"):
        split([host(1), host(2), Host("h-0000000000000003", ())])


def test_memory_is_of_one_kind_to_the_next_power_of_two() -> None:
    assert cohort(host(1, memory_mib=1967)) == cohort(host(1, memory_mib=2048)) == "2 CPUs, 2 GiB, x86_64"
    assert cohort(host(1, memory_mib=709)) == "2 CPUs, 1 GiB, x86_64"
