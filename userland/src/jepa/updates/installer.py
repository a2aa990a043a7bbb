# SPDX-License-Identifier: Apache-2.0
"""Puts the system that runs onto another disk: its boot partition and /usr as they are, and a new root.

systemd-repart writes the disk, by the partitions that are named here: those of the shipped image and its
second slot, so that everything is as if the image had been written there.
"""

import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from jepa.errors import JepaError
from jepa.updates.disks import Disk, disks
from jepa.updates.versions import EMPTY, PREFIX, running

LEAST: Final = 2 << 30
"""Bytes of the smallest disk: the boot partition, two slots, and 0.75 GiB for /etc and /var."""
_ESP_TYPE: Final = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
_VERITYSETUP: Final = "/usr/lib/systemd/systemd-veritysetup"
_CHECKED: Final = "jepa-install"
"""The name of the verity device by which the copy is read."""
_UKI: Final = re.compile(rf"{PREFIX}(?P<version>[^+]+)(?:\+\d+(?:-\d+)?)?\.efi")
_PIECE: Final = 1 << 22

Runner = Callable[[Sequence[str]], "subprocess.CompletedProcess[str]"]
"""Runs a command and returns what it wrote and its exit status."""
Say = Callable[[str], None]


def run(command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    """Run ``command`` to its end; JepaError when it is not installed."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise JepaError(f"{command[0]} is not installed.", "Install from the image.", status=404) from None


class Partition(NamedTuple):
    """A partition."""

    path: str
    kind: str
    """The UUID of its type."""
    uuid: str
    disk: str
    """The device that it is on."""


@dataclass(frozen=True, slots=True)
class RunningSystem:
    """The system that runs, as what is copied."""

    version: str
    root_hash: str
    """Of /usr; names its two partitions."""
    esp: str
    """The device of its boot partition."""

    @property
    def usr(self) -> str:
        """UUID of the partition with /usr, without hyphens."""
        return self.root_hash[:32]

    @property
    def verity(self) -> str:
        """UUID of the partition with its hashes, without hyphens."""
        return self.root_hash[32:]


def chosen(name: str, root: Path = Path("/")) -> Disk:
    """The disk ``name``, which can be written over; JepaError with the reason where it cannot."""
    here = disks(root)
    found = next((disk for disk in here if name in (disk.name, str(disk.path))), None)
    if found is None:
        names = ", ".join(disk.name for disk in here) or "none"
        raise JepaError(f"There is no disk {name[:60]}.", f"The disks here: {names}.", status=404)
    if found.used:
        raise JepaError(f"The disk {found.name} {found.used}.", "Name one that nothing uses.", status=409)
    if found.read_only:
        raise JepaError(f"The disk {found.name} cannot be written.", "Look for its switch.", status=409)
    if found.size < LEAST:
        raise JepaError(
            f"The disk {found.name} has {found.size >> 20:,} MiB, and {LEAST >> 20:,} are needed.",
            "Name a larger one.",
            status=409,
        )
    return found


def definitions(source: RunningSystem, stamps: Path) -> dict[str, str]:
    """The partitions of an installed disk, for systemd-repart; ``stamps`` holds files for the root."""
    usr, verity = (f"/dev/disk/by-partuuid/{_dashed(uuid)}" for uuid in (source.usr, source.verity))
    label = f"{PREFIX}{source.version}"
    return {
        "10-esp.conf": _partition(Type="esp", CopyBlocks=source.esp, **_exactly(288)),
        "20-usr-verity.conf": _partition(
            Type="usr-verity",
            Label=label,
            UUID=source.verity,
            CopyBlocks=verity,
            ReadOnly="yes",
            **_exactly(8),
        ),
        "21-usr.conf": _partition(
            Type="usr", Label=label, UUID=source.usr, CopyBlocks=usr, ReadOnly="yes", **_exactly(468)
        ),
        "30-root.conf": _partition(
            Type="root",
            Label="jepa-root",
            Format="ext4",
            # what was set up in the running system is kept, but for what makes it this very machine
            CopyFiles=f"/etc {stamps}/machine-id:/etc/machine-id {stamps}/updated:/var/.updated"
            # which version's /etc it began as (etc.py)
            f" /usr/share/factory/etc.list:/var/lib/jepa-update/etc/{source.version}",
            ExcludeFiles="/etc/machine-id",
            MakeDirectories="/boot /dev /efi /home /proc /root /run /sys /tmp /usr /var",
            GrowFileSystem="yes",
        ),
        "40-usr-verity-b.conf": _partition(Type="usr-verity", Label=EMPTY, **_exactly(8)),
        "41-usr-b.conf": _partition(Type="usr", Label=EMPTY, **_exactly(468)),
    }


class Installer:
    """Installs the system that runs below ``root``; needs root. ``say`` is told how far it is."""

    def __init__(self, say: Say, root: Path = Path("/"), runner: Runner = run) -> None:
        self._say, self._root, self._run = say, root, runner

    def source(self) -> RunningSystem:
        """What runs; JepaError where that is no image that can be copied."""
        version = running(self._root)
        words = (self._root / "proc/cmdline").read_text().split()
        hashes = [word.removeprefix("usrhash=") for word in words if word.startswith("usrhash=")]
        if version is None or not hashes or not re.fullmatch(r"[0-9a-f]{64}", hashes[-1]):
            raise JepaError("What runs here is no image of JEPA OS.", "Start it from a stick.", status=404)
        usr = (self._root / f"dev/disk/by-partuuid/{_dashed(hashes[-1][:32])}").resolve()
        (own,) = self._parts(usr)
        esp = [part.path for part in self._parts(own.disk) if part.kind == _ESP_TYPE]
        if not esp:
            raise JepaError(f"{own.disk} has no boot partition.", "Start from a stick.", status=404)
        return RunningSystem(version, hashes[-1], esp[0])

    def install(self, disk: Disk, source: RunningSystem) -> None:
        """Write the system over ``disk`` and read it back; JepaError says what failed, half done."""
        _claim(disk)
        with tempfile.TemporaryDirectory(prefix="jepa-install-") as folder:
            stamps, place = Path(folder) / "stamps", Path(folder) / "repart.d"
            stamps.mkdir()
            place.mkdir()
            (stamps / "machine-id").touch()  # empty: each machine makes its own
            (stamps / "updated").touch()
            for name, text in definitions(source, stamps).items():
                (place / name).write_text(text)
            self._say(f"Writing JEPA OS {source.version} to {disk.name}.")
            # Offline: the root is never mounted, by which open-root knows in its first start that it is new.
            options = [
                "--empty=force",
                "--offline=yes",
                "--dry-run=no",
                "--no-pager",
                f"--definitions={place}",
            ]
            self._do(["systemd-repart", *options, str(disk.path)], f"{disk.name} was not written")
        self._do(["udevadm", "settle"], f"The partitions of {disk.name} did not appear")
        parts = self._parts(disk.path)
        self._say("Reading it back.")
        self._check(source, parts, disk)
        with self._mounted(next(part.path for part in parts if part.kind == _ESP_TYPE)) as folder:
            tidy(folder, source.version)

    def _parts(self, device: Path | str) -> list[Partition]:
        """The partition ``device``, or those on it."""
        asked = ["lsblk", "--noheadings", "--pairs", "--paths", "--output", "NAME,PARTTYPE,PARTUUID,PKNAME"]
        said = self._do([*asked, str(device)], f"{device} cannot be read")
        found = []
        for line in said.splitlines():
            name, kind, identity, parent = re.findall(r'"([^"]*)"', line)
            if kind:
                found.append(Partition(name, kind, identity, parent))
        return found

    def _check(self, source: RunningSystem, parts: list[Partition], disk: Disk) -> None:
        """Read the copy of /usr as the initrd will, each block compared with the root hash."""
        by_uuid = {part.uuid: part.path for part in parts}
        data, hashes = by_uuid[_dashed(source.usr)], by_uuid[_dashed(source.verity)]
        wrong = f"What was written to {disk.name} is not what runs here"
        self._do([_VERITYSETUP, "attach", _CHECKED, data, hashes, source.root_hash], wrong)
        try:
            with (self._root / f"dev/mapper/{_CHECKED}").open("rb", buffering=0) as file:
                while file.read(_PIECE):
                    pass
        except OSError as error:
            raise JepaError(f"{wrong}: {error.strerror}.", "Take another disk.", status=500) from error
        finally:
            self._run([_VERITYSETUP, "detach", _CHECKED])

    @contextmanager
    def _mounted(self, device: str) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="jepa-install-") as folder:
            self._do(
                ["mount", "-t", "vfat", "-o", "nosuid,nodev,noexec", device, folder], "No boot partition"
            )
            try:
                yield Path(folder)
            finally:
                self._do(["umount", folder], "The boot partition stays mounted")

    def _do(self, command: Sequence[str], otherwise: str) -> str:
        done = self._run(command)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
            raise JepaError(f"{otherwise}: {last.rstrip('.')}.", "Try again, or another disk.", status=500)
        return done.stdout


def tidy(esp: Path, version: str) -> None:
    """Leave on a copied boot partition the one system that is there, with no tries to count, and no seed."""
    for path in list((esp / "EFI/Linux").iterdir()):
        match = _UKI.fullmatch(path.name)
        if match and match["version"] == version:
            path.rename(path.with_name(f"{PREFIX}{version}.efi"))
        elif match:
            path.unlink()
    (esp / "loader/random-seed").unlink(missing_ok=True)


def _claim(disk: Disk) -> None:
    """JepaError where somebody uses the disk of whom nothing was known."""
    try:
        os.close(os.open(disk.path, os.O_RDWR | os.O_EXCL | os.O_CLOEXEC))
    except OSError as error:
        raise JepaError(
            f"The disk {disk.name} cannot be had: {error.strerror}.",
            "Name one that nothing uses.",
            status=409,
        ) from error


def _partition(**settings: str) -> str:
    lines = []
    for name, value in settings.items():
        many = name in ("CopyFiles", "ExcludeFiles")
        lines += [f"{name}={each}" for each in (value.split() if many else [value])]
    return "\n".join(["[Partition]", *lines, ""])


def _exactly(mebibytes: int) -> dict[str, str]:
    return {"SizeMinBytes": f"{mebibytes}M", "SizeMaxBytes": f"{mebibytes}M"}


def _dashed(uuid: str) -> str:
    return "-".join((uuid[:8], uuid[8:12], uuid[12:16], uuid[16:20], uuid[20:]))
