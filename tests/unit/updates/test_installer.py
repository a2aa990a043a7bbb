# SPDX-License-Identifier: Apache-2.0
"""Which disks may be written over, what is asked before, and what an installed disk is to hold.

The commands that write are run by tests/vm/test_install.py.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from jepa.errors import JepaError
from jepa.shell.install import CREDENTIAL, consent, from_credential
from jepa.updates.disks import Disk, disks
from jepa.updates.etc import FACTORY, NOTES
from jepa.updates.installer import LEAST, RunningSystem, chosen, definitions, tidy

HASH = "0123456789abcdef0123456789abcdef" + "f" * 32
GIB = 1 << 30


class Bench:
    """A machine's /sys and /proc with disks, of which one holds the system that runs."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._numbers = iter(range(100))
        self._mounts: list[str] = []
        (root / "proc/self").mkdir(parents=True)
        self.write_proc("")
        self.disk("vda", 8 * GIB, "vda1", "vda2", "vda3")
        usr = self.block("dm-0", root / "sys/devices/dm-0")
        holders = root / "sys/block/vda/vda2/holders"
        holders.mkdir()
        (holders / "dm-0").symlink_to(usr)
        self.mount(usr, "/usr")
        self.mount(root / "sys/block/vda/vda3", "/")

    def write_proc(self, swap: str) -> None:
        header = "Filename Type Size Used Priority\n"
        (self.root / "proc/swaps").write_text(header + (f"{swap} partition 1 0 -2\n" if swap else ""))
        (self.root / "proc/self/mountinfo").write_text("".join(self._mounts))

    def block(self, name: str, place: Path, size: int = GIB) -> Path:
        place.mkdir(parents=True)
        (place / "dev").write_text(f"8:{next(self._numbers)}\n")
        (place / "size").write_text(f"{size // 512}\n")
        return place

    def disk(self, name: str, size: int, *partitions: str, read_only: bool = False) -> Path:
        place = self.block(name, self.root / "sys/block" / name, size)
        (place / "ro").write_text(f"{int(read_only)}\n")
        for each in partitions:
            (self.block(each, place / each) / "partition").write_text("1\n")
        return place

    def mount(self, device: Path, at: str) -> None:
        number = (device / "dev").read_text().strip()
        self._mounts.append(f"25 1 {number} / {at} rw - ext4 /dev/x rw\n")
        self.write_proc("")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_the_disk_of_the_system_that_runs_is_never_taken(bench: Bench) -> None:
    with pytest.raises(JepaError, match="The disk vda holds the system that runs"):
        chosen("vda", bench.root)


def test_an_unused_disk_is_taken_by_its_name_or_path(bench: Bench) -> None:
    bench.disk("vdb", 8 * GIB, "vdb1")
    bench.disk("loop0", 8 * GIB)
    assert [disk.name for disk in disks(bench.root)] == ["vda", "vdb"]
    assert chosen("vdb", bench.root) == chosen("/dev/vdb", bench.root)
    assert (chosen("vdb", bench.root).partitions, chosen("vdb", bench.root).size) == (1, 8 * GIB)
    with pytest.raises(JepaError, match="There is no disk vdb1"):
        chosen("vdb1", bench.root)


def test_a_disk_in_use_is_refused_with_its_use(bench: Bench) -> None:
    place = bench.disk("vdb", 8 * GIB, "vdb1")
    bench.mount(place / "vdb1", "/mnt")
    with pytest.raises(JepaError, match="The disk vdb is mounted at /mnt"):
        chosen("vdb", bench.root)
    bench.disk("vdc", 8 * GIB, "vdc1")
    bench.write_proc("/dev/vdc1")
    with pytest.raises(JepaError, match="The disk vdc holds swap"):
        chosen("vdc", bench.root)
    raid = bench.block("md0", bench.root / "sys/devices/md0")
    holders = bench.disk("vdd", 8 * GIB) / "holders"
    holders.mkdir()
    (holders / "md0").symlink_to(raid)
    with pytest.raises(JepaError, match="The disk vdd is a part of md0"):
        chosen("vdd", bench.root)


def test_a_disk_that_cannot_hold_it_is_refused(bench: Bench) -> None:
    bench.disk("vdb", LEAST - 512)
    with pytest.raises(JepaError, match="has 2,047 MiB, and 2,048 are needed"):
        chosen("vdb", bench.root)
    bench.disk("vdc", 8 * GIB, read_only=True)
    with pytest.raises(JepaError, match="cannot be written"):
        chosen("vdc", bench.root)


def test_the_partitions_name_each_other_by_the_root_hash(tmp_path: Path) -> None:
    made = definitions(RunningSystem("1.2.3", HASH, "/dev/vda1"), tmp_path)
    assert [name[:2] for name in made] == ["10", "20", "21", "30", "40", "41"]
    assert f"UUID={HASH[32:]}\n" in made["20-usr-verity.conf"]
    assert "CopyBlocks=/dev/disk/by-partuuid/01234567-89ab-cdef-0123-456789abcdef\n" in made["21-usr.conf"]
    assert "Label=jepa-os_1.2.3\n" in made["21-usr.conf"]
    assert "CopyBlocks=/dev/vda1\n" in made["10-esp.conf"]
    root = made["30-root.conf"].splitlines()
    assert next(line for line in root if line.startswith("CopyFiles=")) == "CopyFiles=/etc"
    assert "ExcludeFiles=/etc/machine-id" in root
    assert f"CopyFiles=/{FACTORY}.list:/{NOTES}/1.2.3" in root


def test_the_installed_disk_starts_the_one_system_that_it_has(tmp_path: Path) -> None:
    folder = tmp_path / "EFI/Linux"
    folder.mkdir(parents=True)
    for name in ("jepa-os_1.2.3+2-1.efi", "jepa-os_1.2.2.efi", "other.efi"):
        (folder / name).touch()
    (tmp_path / "loader").mkdir()
    (tmp_path / "loader/random-seed").touch()
    tidy(tmp_path, "1.2.3")
    assert sorted(path.name for path in folder.iterdir()) == ["jepa-os_1.2.3.efi", "other.efi"]
    assert list((tmp_path / "loader").iterdir()) == []


@pytest.mark.parametrize(
    ("typed", "asked"), [(["vdb", "vdb"], 2), (["vdb", "vdc"], 2), (["y"], 1), ([""], 1)]
)
def test_nothing_is_written_before_the_name_was_typed_twice(typed: Sequence[str], asked: int) -> None:
    disk = Disk("vdb", 8 * GIB, "QEMU \x1b[2J", False, 1, "")
    answers, questions = iter(typed), []

    def ask(question: str) -> str:
        questions.append(question)
        return next(answers)

    if typed == ["vdb", "vdb"]:
        consent(disk, "1.2.3", ask)
        assert "8.6 GB, QEMU" in questions[0]
        assert "\x1b" not in questions[0]
    else:
        with pytest.raises(JepaError, match="Nothing was written"):
            consent(disk, "1.2.3", ask)
    assert len(questions) == asked


def test_without_a_person_the_credential_names_the_disk(tmp_path: Path) -> None:
    with pytest.raises(JepaError, match="No credential"):
        from_credential({})
    (tmp_path / CREDENTIAL).write_text("vdb\n")
    assert from_credential({"CREDENTIALS_DIRECTORY": os.fspath(tmp_path)}) == "vdb"
