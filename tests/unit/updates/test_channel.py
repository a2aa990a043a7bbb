# SPDX-License-Identifier: Apache-2.0
"""Versions go from wave to wave and back, and a machine follows what is signed and nothing else."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from jepa.errors import JepaError
from jepa.updates.channel import SUMS, WITHDRAWN, read_channel
from jepa.updates.pack_changes import Followed, Left
from jepa.updates.updater import Updater, run
from jepa.updates.versions import versions
from jepa_lab.fleet.waves import Released, Waves, signer, title_of
from tests.unit.updates.channels import release_key, trusting
from tests.unit.updates.machines import machine as image_machine
from tests.unit.updates.test_pack_changes import SHIPPED, Jepad, Shelf, changes
from tests.unit.updates.test_updater import UKI, Commands


@pytest.fixture(scope="module")
def key() -> Iterator[Path]:
    with release_key() as made:
        yield made


@pytest.fixture
def waves(key: Path, tmp_path: Path) -> Waves:
    ticks = iter(range(100))
    return Waves(tmp_path / "channel", signer(key), lambda: float(next(ticks)))


def pack(folder: Path, version: str, content: str = "") -> Path:
    made = folder / f"machine_{version}.raw"
    made.write_text(content or version)
    return made


@dataclass
class Machine:
    """A machine in a wave, which follows the channel when it is told to."""

    wave: str
    root: Path
    shelf: Shelf = field(default_factory=Shelf)
    had: set[str] = field(default_factory=set)
    """Every version that was in use."""

    def follow(self) -> Followed:
        channel = read_channel((self.root / "channel" / self.wave).as_uri(), self.root, run)
        done = changes(self.shelf, Jepad()).follow(channel)
        self.had.add(self.uses)
        return done

    @property
    def uses(self) -> str:
        return self.shelf.chosen.get("machine") or f"{SHIPPED.name}_{SHIPPED.version}"


@pytest.fixture
def fleet(key: Path, tmp_path: Path) -> dict[str, Machine]:
    trusting(tmp_path, key)
    return {wave: Machine(wave, tmp_path) for wave in ("canary", "tenth", "all")}


def used(fleet: dict[str, Machine]) -> list[str]:
    for machine in fleet.values():
        machine.follow()
    return [machine.uses for machine in fleet.values()]


def test_a_version_reaches_one_wave_after_the_other(
    waves: Waves, fleet: dict[str, Machine], tmp_path: Path
) -> None:
    waves.start([pack(tmp_path, "1.0.0")])
    assert used(fleet) == ["machine_1.0.0", "machine_0.7.3", "machine_0.7.3"]
    assert waves.next("machine_1.0.0").wave == "tenth"
    assert used(fleet) == ["machine_1.0.0", "machine_1.0.0", "machine_0.7.3"]
    waves.next("machine_1.0.0")
    assert used(fleet) == ["machine_1.0.0"] * 3
    assert used(fleet) == ["machine_1.0.0"] * 3, "nothing more is done"
    with pytest.raises(JepaError, match="has reached all"):
        waves.next("machine_1.0.0")


def test_a_version_that_is_taken_back_is_left_and_nobody_else_ever_had_it(
    waves: Waves, fleet: dict[str, Machine], tmp_path: Path
) -> None:
    waves.start([pack(tmp_path, "1.0.0")])
    waves.next("machine_1.0.0")
    waves.next("machine_1.0.0")
    used(fleet)
    waves.start([pack(tmp_path, "1.1.0")])
    assert used(fleet) == ["machine_1.1.0", "machine_1.0.0", "machine_1.0.0"]
    assert waves.back("machine_1.1.0") == Released("machine_1.1.0", "back", 4.0)
    assert fleet["canary"].follow().left == (Left("machine 1.1.0", "machine 1.0.0"),)
    assert used(fleet) == ["machine_1.0.0"] * 3
    assert not any("machine_1.1.0" in fleet[wave].had for wave in ("tenth", "all"))
    assert "machine_1.1.0" not in {each.title for each in fleet["canary"].shelf.here}
    # A good one then reaches all; who was away in between goes from the old one to it at once.
    waves.start([pack(tmp_path, "1.2.0")])
    waves.next("machine_1.2.0")
    waves.next("machine_1.2.0")
    assert used(fleet) == ["machine_1.2.0"] * 3
    for refused in (lambda: waves.next("machine_1.1.0"), lambda: waves.back("machine_1.1.0")):
        with pytest.raises(JepaError, match="was taken back"):
            refused()
    with pytest.raises(JepaError, match="released before"):
        waves.start([pack(tmp_path, "1.1.0")])


def test_two_that_were_taken_back_are_left_for_what_was_not(
    waves: Waves, fleet: dict[str, Machine], tmp_path: Path
) -> None:
    for version in ("1.0.0", "1.1.0"):
        waves.start([pack(tmp_path, version)])
        fleet["canary"].follow()
    waves.back("machine_1.0.0")
    waves.back("machine_1.1.0")
    assert fleet["canary"].follow().left == (
        Left("machine 1.0.0", None),
        Left("machine 1.1.0", "machine 0.7.3"),
    )
    assert fleet["canary"].shelf.here == [SHIPPED]


def test_a_pack_that_is_not_here_is_not_installed(
    waves: Waves, fleet: dict[str, Machine], tmp_path: Path
) -> None:
    other = tmp_path / "words_1.0.0.raw"
    other.write_text("x")
    waves.start([other])
    assert fleet["canary"].follow() == Followed((), ())


def test_what_was_altered_on_its_way_is_refused(
    waves: Waves, fleet: dict[str, Machine], tmp_path: Path
) -> None:
    waves.start([pack(tmp_path, "1.0.0")])
    folder = tmp_path / "channel/canary"
    (folder / "machine_1.0.0.raw").write_text("evil")
    with pytest.raises(JepaError, match="is not what the list of sums"):
        fleet["canary"].follow()
    lines = (folder / SUMS).read_text().replace("1.0.0", "1.0.1")
    (folder / SUMS).write_text(lines)
    with pytest.raises(JepaError, match="altered, or is signed with a key that is not trusted"):
        fleet["canary"].follow()
    assert fleet["canary"].uses == "machine_0.7.3"


def test_a_withdrawal_that_nobody_signed_is_none(
    waves: Waves, fleet: dict[str, Machine], tmp_path: Path, key: Path
) -> None:
    waves.start([pack(tmp_path, "1.0.0")])
    fleet["canary"].follow()
    folder = tmp_path / "channel/canary"
    (folder / WITHDRAWN).write_text("machine_1.0.0\n")
    with pytest.raises(JepaError, match=r"withdrawn at .* is not what"):
        fleet["canary"].follow()
    listed = [line for line in (folder / SUMS).read_text().splitlines(True) if WITHDRAWN not in line]
    (folder / SUMS).write_text("".join(listed))
    signer(key)(folder / SUMS, folder / f"{SUMS}.gpg")
    assert fleet["canary"].follow() == Followed((), ()), "the list of sums does not name it"


def test_another_owners_key_is_not_trusted(waves: Waves, tmp_path: Path) -> None:
    waves.start([pack(tmp_path, "1.0.0")])
    address = (tmp_path / "channel/canary").as_uri()
    with pytest.raises(JepaError, match="No key is trusted here"):
        read_channel(address, tmp_path / "bare", run)
    with release_key() as other, pytest.raises(JepaError, match="not trusted here"):
        read_channel(address, trusting(tmp_path / "stranger", other), run)


def test_a_channel_that_is_not_there_is_said(key: Path, tmp_path: Path) -> None:
    with pytest.raises(JepaError, match="it is not there") as caught:
        read_channel((tmp_path / "none").as_uri(), trusting(tmp_path, key), run)
    assert caught.value.status == 404
    with pytest.raises(JepaError, match="cannot be fetched: Connection refused"):
        read_channel("http://127.0.0.1:9/x", tmp_path, run)


def test_a_list_that_is_none_is_refused(key: Path, tmp_path: Path) -> None:
    sign = signer(key)
    (tmp_path / SUMS).write_text("no list\n")
    sign(tmp_path / SUMS, tmp_path / f"{SUMS}.gpg")
    with pytest.raises(JepaError, match="cannot be read"):
        read_channel(tmp_path.as_uri(), trusting(tmp_path / "root", key), run)


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("machine_1.0.0.raw", "machine_1.0.0"),
        ("jepa-os_0.3.0_x86-64.efi", "jepa-os_0.3.0"),
        ("jepa-os_0.3.0_x86-64_ab-cd.usr.raw.xz", "jepa-os_0.3.0"),
        ("SHA256SUMS", None),
        ("machine_1.0.raw", None),
        (".machine_1.0.0.raw", None),
    ],
)
def test_files_belong_to_versions(name: str, title: str | None) -> None:
    assert title_of(name) == title


def test_what_is_no_version_is_not_released(waves: Waves, tmp_path: Path) -> None:
    for name in ("notes.txt", "machine_1.0.0.raw"):
        with pytest.raises(JepaError, match="is no file of a version"):
            waves.start([tmp_path / name])
    with pytest.raises(JepaError, match="never released"):
        waves.back("machine_1.0.0")
    assert not (tmp_path / "channel").exists()


def test_a_system_that_is_taken_back_is_left(waves: Waves, key: Path, tmp_path: Path) -> None:
    files = [tmp_path / f"jepa-os_1.2.0_x86-64{end}" for end in (".efi", ".manifest")]
    for file in files:
        file.write_text("x")
    waves.start(files)
    root = trusting(image_machine(tmp_path / "root", "jepa-os_1.2.0", "jepa-os_1.1.0"), key)
    for version in ("1.2.0", "1.1.0"):
        (root / f"boot/EFI/Linux/jepa-os_{version}.efi").write_bytes(UKI)
    settings = root / "etc/jepa/update.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text(f'source = "{(tmp_path / "channel").as_uri()}"\nwave = "canary"\n')
    address = (tmp_path / "channel/canary").as_uri()
    assert not Updater(root, run).withdrawn(address)
    waves.back("jepa-os_1.2.0")
    assert sorted(path.name for path in (tmp_path / "channel/canary").iterdir()) == [
        "SHA256SUMS",
        "SHA256SUMS.gpg",
        "withdrawn",
    ]
    assert Updater(root, run).withdrawn(address)
    assert Updater(root, Commands()).back(withdrawn=True) == "1.1.0"
    (root / "proc/sys/kernel/random/boot_id").write_text("later\n")
    (root / "usr/lib/os-release").write_text('IMAGE_ID="jepa-os"\nIMAGE_VERSION="1.1.0"\n')
    found = versions(root)
    assert found is not None
    assert (found.running, found.other, found.role) == ("1.1.0", "1.2.0", "failed")
    assert found.reason == "whoever released it took it back."


def test_every_wave_holds_what_the_next_one_holds(waves: Waves, tmp_path: Path) -> None:
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        waves.start([pack(tmp_path, version)])
    waves.next("machine_1.0.0")
    waves.next("machine_1.1.0")
    waves.next("machine_1.0.0")
    waves.back("machine_1.1.0")
    held = [
        {path.name for path in (tmp_path / "channel" / wave).glob("machine_*")}
        for wave in ("all", "tenth", "canary")
    ]
    assert held[0] <= held[1] <= held[2]
    assert held[2] == {"machine_1.0.0.raw", "machine_1.2.0.raw"}
    first = tmp_path / "channel/canary/machine_1.0.0.raw"
    listed = (tmp_path / "channel/all" / SUMS).read_text()
    assert hashlib.sha256(first.read_bytes()).hexdigest() in listed
