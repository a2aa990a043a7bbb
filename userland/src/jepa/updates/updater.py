# SPDX-License-Identifier: Apache-2.0
"""Look for versions of the system at a source, put one into the other slot, or let the one before start.

Putting one in place is the work of systemd-sysupdate, which checks signature and sums; starting the right
one is that of the boot loader, which counts the tries of a new one.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from jepa.errors import JepaError
from jepa.updates import boot_options
from jepa.updates.channel import read_channel
from jepa.updates.nearby import HOST, nearby
from jepa.updates.refusals import refusal
from jepa.updates.versions import EMPTY, PREFIX, TRIES, forget, note_failed, note_next, order, running, slots
from jepa.updates.waves import as_address, followed

SETTINGS: Final = "etc/jepa/update.toml"
"""Where an administrator may name the source of updates, `source = "..."`, and the wave of a fleet."""
SYSUPDATE: Final = "/usr/lib/systemd/systemd-sysupdate"
_SHIPPED: Final = "Path=file:///var/lib/jepa-update/release\n"
"""The source in the transfer files as the image has them."""
_UKI: Final = re.compile(rf"{PREFIX}(?P<version>[^+]+)(\+(?P<left>\d+)(-\d+)?)?\.efi")
_GROWTH: Final = 1.1
"""A new UKI may be so much larger than the one that runs."""
_BACK: Final = "a person went back from it."
_WITHDRAWN: Final = "whoever released it took it back."

Runner = Callable[[Sequence[str]], "subprocess.CompletedProcess[str]"]
"""Runs a command and returns what it wrote and its exit status."""


def run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run ``command`` to its end; JepaError when it is not installed."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise JepaError(f"{command[0]} is not installed.", "Updates need the image.", status=404) from None


def source(root: Path, named: str | None) -> str:
    """The address of the releases: ``named`` by the person, else in the settings; a directory becomes file://."""
    if named is None:
        named = followed(root, SETTINGS, "system")
    if named is None:
        raise JepaError(
            "No source of updates is set.",
            f"Name one with --from, a directory or an http(s) address, or in /{SETTINGS}.",
            status=404,
        )
    return as_address(named)


class Updater:
    """Changes which version of the system starts; needs root.

    Below ``root`` lie the transfer files, the state and the loader's folder; ``runner`` runs commands.
    """

    def __init__(self, root: Path = Path("/"), runner: Runner = run) -> None:
        self._root, self._run = root, runner

    def newer(self, address: str) -> str | None:
        """The newest version at ``address`` if it is newer than all that is here; else None."""
        self._check_clock()
        _sweep(self._loader())
        done = self._sysupdate(address, "--json=short", "check-new")
        found = _answer(done, address, "available")
        now = running(self._root)
        # an update that broke off lets systemd-sysupdate also take one older than what runs
        return str(found) if found is not None and (now is None or order(str(found)) > order(now)) else None

    def offered(self, address: str) -> list[str]:
        """All versions for this machine at ``address`` or here, the oldest first."""
        found = _answer(self._sysupdate(address, "--json=short", "list"), address, "all")
        return sorted(map(str, found if isinstance(found, list) else ()), key=order)

    def withdrawn(self, address: str) -> bool:
        """Whether whoever releases at ``address`` has taken back the version that runs."""
        return f"{PREFIX}{running(self._root)}" in read_channel(address, self._root, self._run).withdrawn

    def apply(self, address: str, version: str) -> None:
        """Put ``version`` of ``address`` into the other slot, to be started next, even if it is older.

        Takes as long as the download. What runs is not touched. JepaError says why it was refused.
        """
        self._check_clock()
        folder = self._loader()
        there = slots(self._root)
        now = running(self._root)
        _sweep(folder)
        if f"{PREFIX}{version}" in there and _files(folder, version):
            here = "runs" if version == now else "is here"
            raise JepaError(
                f"{version} {here} already.", "To let the other version start: rollback.", status=409
            )
        if EMPTY not in there and not any(
            name.startswith(PREFIX) and name != f"{PREFIX}{now}" for name in there
        ):
            raise JepaError(
                "This disk has no second slot, so that no update can be put beside what runs.",
                "A slot is made soon after the first boot, where a disk has 476 MiB left for it.",
                status=409,
            )
        self._check_room(folder, now)
        with nearby(address, self._root) as near:
            done = self._sysupdate(near, "update", version)
        if done.returncode:
            raise refusal(done.stderr, done.returncode, f"{version} was not put in place")
        self._settle(folder)
        forget(self._root, version)
        if now is not None and order(version) < order(now):
            self._step_back(folder, now)
        boot_options.ensure(self._root, folder.parents[1], TRIES)
        note_next(self._root, version, trial=True)

    def back(self, *, withdrawn: bool = False) -> str:
        """Let the loader start the other version from the next boot on, and return which that is.

        It is noted whether a person left the one that runs, or it was ``withdrawn``.
        """
        now = running(self._root)
        folder = self._loader()
        _sweep(folder)
        here = {match["version"] for path in folder.iterdir() if (match := _UKI.fullmatch(path.name))}
        others = [
            version
            for version in here - {now}
            if f"{PREFIX}{version}" in slots(self._root)
            and not any(_left(path) == 0 for path in _files(folder, version))
        ]
        if now is None or now not in here or not others:
            problem = "There is no other version to go back to."
            raise JepaError(problem, "The one that runs stays.", status=404)
        version = max(others, key=order)
        if order(version) < order(now):
            self._step_back(folder, now, _WITHDRAWN if withdrawn else _BACK)
        note_next(self._root, version, trial=False)
        return version

    def _step_back(self, folder: Path, now: str, why: str = _BACK) -> None:
        """Let the loader take the older version first: as if all tries of the one that runs were used up."""
        for path in _files(folder, now):
            path.rename(folder / f"{PREFIX}{now}+0-0.efi")
        self._settle(folder)
        note_failed(self._root, now, why)

    def _settle(self, folder: Path) -> None:
        """Have on the disk what was renamed in ``folder``.

        FAT writes the new name at once, with nothing behind it, and where the file lies up to half a minute
        later: a power cut between leaves a kernel image without content. To sync the file system as a whole
        would not empty the disk's cache.
        """
        if self._run(["sync", *(str(path) for path in _ukis(folder))]).returncode:
            problem = "The partition that the firmware starts from could not be written."
            raise JepaError(problem, "Look for faults of its disk: dmesg.", status=500)

    def _check_room(self, folder: Path, now: str | None) -> None:
        """Whether a UKI has room is told before the slot has lost what it had: a UKI comes last."""
        sizes = {path: path.stat().st_size for path in folder.iterdir() if _UKI.fullmatch(path.name)}
        mine = sum(sizes[path] for path in (_files(folder, now) if now is not None else ()))
        # those of other versions make way
        free = shutil.disk_usage(folder).free + sum(sizes.values()) - mine
        if free < mine * _GROWTH:
            raise JepaError(
                f"The partition that the firmware starts from is full: a new system has {free >> 20} MiB.",
                f"What is not of JEPA OS below {folder.parents[1]} may be removed.",
                status=409,
            )

    def _check_clock(self) -> None:
        """A clock from before this system was built makes every signature one from the future."""
        built = (self._root / "usr/lib/os-release").stat().st_mtime
        if time.time() < built - 86400:
            shown = time.strftime("%Y-%m-%d", time.gmtime())
            problem = (
                f"The clock shows {shown}, when this system did not exist yet: no signature can be checked."
            )
            raise JepaError(problem, "Set it, as with: date -s 2026-12-31", status=409)

    def _loader(self) -> Path:
        """The folder of the UKIs."""
        done = self._run(["bootctl", "--print-boot-path"])
        place = done.stdout.strip()
        folder = self._root / place.lstrip("/") / "EFI/Linux"
        if done.returncode or not place or not folder.is_dir():
            raise JepaError(
                "The partition that the firmware starts from is not there.",
                "Versions are changed on a machine that was started by its firmware, as root.",
                status=409,
            )
        return folder

    def _sysupdate(self, address: str, *words: str) -> subprocess.CompletedProcess[str]:
        shipped = sorted((self._root / "usr/lib/sysupdate.d").glob("*.transfer"))
        with tempfile.TemporaryDirectory(prefix="jepa-update-") as folder:
            for path in shipped:
                text = path.read_text().replace(_SHIPPED, f"Path={address}\n")
                (Path(folder) / path.name).write_text(text)
            direct = ["env", f"no_proxy={HOST}"] if address.startswith(f"http://{HOST}") else []
            return self._run([*direct, SYSUPDATE, f"--definitions={folder}", *words])


def _answer(done: subprocess.CompletedProcess[str], address: str, key: str) -> object:
    try:
        found: object = json.loads(done.stdout)[key]
    except (ValueError, KeyError, TypeError):
        raise refusal(done.stderr, done.returncode, f"{address} cannot be used") from None
    return found


def _files(folder: Path, version: str) -> list[Path]:
    """The UKIs of ``version``: one, under a name with or without tries."""
    return [
        path
        for path in folder.iterdir()
        if (match := _UKI.fullmatch(path.name)) and match["version"] == version
    ]


def _ukis(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if _UKI.fullmatch(path.name)]


def _sweep(folder: Path) -> None:
    """Remove names of UKIs without content: a power cut just after one got its name, see `_settle`.

    The loader passes them by, and systemd-sysupdate would take them for versions that are here.
    """
    for path in _ukis(folder):
        if not path.stat().st_size:
            path.unlink()


def _left(uki: Path) -> int | None:
    """How many tries ``uki`` has left; None when they are not counted."""
    match = _UKI.fullmatch(uki.name)
    return int(match["left"]) if match and match["left"] else None
