# SPDX-License-Identifier: Apache-2.0
"""Power is that of the whole machine or of its packages, and never a sum of nested counters."""

from pathlib import Path

import pytest

from jepa.telemetry.sources.powercap import Powercap


class Rapl:
    """A /sys/class with powercap domains, whose energy rises as told."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.energy: dict[str, int] = {}

    def add(self, entry: str, name: str, start: int = 1000, limit: int = 262_143_328_850) -> None:
        folder = self.root / "powercap" / entry
        folder.mkdir(parents=True)
        (folder / "name").write_text(f"{name}\n")
        (folder / "max_energy_range_uj").write_text(f"{limit}\n")
        self._write(entry, start)

    def use(self, **joules: float) -> None:
        """Joules by the entry's number, such as ``_0`` for intel-rapl:0."""
        for key, more in joules.items():
            entry = "intel-rapl" + key.replace("_", ":").replace("mmio", "-mmio")
            self._write(entry, self.energy[entry] + round(more * 1e6))

    def _write(self, entry: str, energy: int) -> None:
        self.energy[entry] = energy
        (self.root / "powercap" / entry / "energy_uj").write_text(f"{energy}\n")


@pytest.fixture
def rapl(tmp_path: Path) -> Rapl:
    return Rapl(tmp_path)


def started(rapl: Rapl) -> Powercap:
    powercap = Powercap(rapl.root)
    powercap.scan()
    assert powercap.watts(1.0) is None
    return powercap


def test_the_whole_machine_alone_counts_where_it_is_told(rapl: Rapl) -> None:
    rapl.add("intel-rapl:0", "package-0")
    rapl.add("intel-rapl:1", "psys")
    powercap = started(rapl)
    rapl.use(_0=15, _1=22)
    assert powercap.watts(2.0) == pytest.approx(22)
    assert "psys" in powercap.basis


def test_a_whole_below_its_part_is_not_believed_and_after_three_times_never_again(rapl: Rapl) -> None:
    rapl.add("intel-rapl:0", "package-0")
    rapl.add("intel-rapl:1", "psys")
    powercap = started(rapl)
    found = []
    for second, psys in enumerate((0, 22, 1, 1, 1, 22)):
        rapl.use(_0=15, _1=psys)
        powercap.scan()
        found.append(powercap.watts(2.0 + second))
    assert found == pytest.approx([15, 22, 15, 15, 15, 15])
    assert "packages" in powercap.basis


def test_a_whole_that_cannot_be_read_leaves_the_packages(rapl: Rapl) -> None:
    rapl.add("intel-rapl:0", "package-0")
    rapl.add("intel-rapl:1", "psys")
    (rapl.root / "powercap/intel-rapl:1/energy_uj").unlink()
    powercap = started(rapl)
    rapl.use(_0=15)
    assert powercap.watts(2.0) == pytest.approx(15)


def test_cores_and_memory_are_parts_of_their_package(rapl: Rapl) -> None:
    for entry, name in (
        ("intel-rapl:0", "package-0"),
        ("intel-rapl:0:0", "core"),
        ("intel-rapl:0:1", "uncore"),
        ("intel-rapl:0:2", "dram"),
        ("intel-rapl:1", "package-1"),
    ):
        rapl.add(entry, name)
    powercap = started(rapl)
    rapl.use(_0=30, _0_0=20, _0_1=5, _0_2=4, _1=12)
    assert powercap.watts(2.0) == pytest.approx(42)


def test_the_same_package_by_registers_in_memory_counts_once(rapl: Rapl) -> None:
    rapl.add("intel-rapl:0", "package-0")
    rapl.add("intel-rapl-mmio:0", "package-0")
    powercap = started(rapl)
    rapl.use(_0=15, mmio_0=15)
    assert powercap.watts(2.0) == pytest.approx(15)


def test_a_package_known_by_registers_in_memory_only_counts(rapl: Rapl) -> None:
    rapl.add("intel-rapl-mmio:0", "package-0")
    powercap = started(rapl)
    rapl.use(mmio_0=9)
    assert powercap.watts(2.0) == pytest.approx(9)


def test_a_counter_that_wraps_goes_on(rapl: Rapl) -> None:
    rapl.add("intel-rapl:0", "package-0", start=65_532_000_000, limit=65_532_610_987)
    powercap = started(rapl)
    rapl._write("intel-rapl:0", 9_389_013)
    assert powercap.watts(2.0) == pytest.approx(10)


def test_a_counter_that_was_set_back_is_no_surge(rapl: Rapl) -> None:
    rapl.add("intel-rapl:0", "package-0", start=200_000_000_000)
    powercap = started(rapl)
    rapl._write("intel-rapl:0", 5_000_000)
    assert powercap.watts(2.0) is None
    rapl.use(_0=8)
    assert powercap.watts(3.0) == pytest.approx(8)
