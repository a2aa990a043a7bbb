# SPDX-License-Identifier: Apache-2.0
"""Installed packs: extension images, each mounted by itself with verity, never merged into /usr.

To merge them, as systemd-sysext does, would mount /usr anew under every service that runs. A directory of
its own for each leaves /usr alone, lets two versions lie side by side, and needs no restart of anybody.
"""

import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from jepa.errors import JepaError
from jepa.packs.extension_image import examine
from jepa.packs.pack import AnyManifest, verify_pack
from jepa.packs.places import IMAGES, IN_USE, MOUNTED, SHIPPED, TITLE, mounted_pack

ARCHITECTURES: Final = {"x86_64": "x86-64", "aarch64": "arm64"}
"""As the kernel names them, and as systemd does."""
POLICY: Final = "root=signed:=absent"
"""Files whose every block is checked against a signed root hash, and no partition but those for it."""
_SAFE: Final = "remount,bind,ro,nosuid,nodev,noexec"
_ROOM_LEFT: Final = 16 << 20
"""Bytes that are to stay free."""
_RELEASES: Final = "usr/lib/extension-release.d"
_UNTRUSTED: Final = "Required key not available|Too many retries"

Runner = Callable[[Sequence[str]], "subprocess.CompletedProcess[str]"]
"""Runs a command and returns what it wrote and its exit status."""


def run(command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    """Run ``command`` to its end; JepaError when it is not installed."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise JepaError(f"{command[0]} is not installed.", "Packs need the image.", status=404) from None


class Images:
    """The installed packs below ``root``; needs root. ``runner`` runs commands."""

    def __init__(self, root: Path = Path("/"), runner: Runner = run) -> None:
        self._root, self._run = root, runner
        self._place = root / IMAGES

    def titles(self) -> list[str]:
        """NAME_VERSION of each that is installed."""
        return sorted(path.stem for path in self._place.glob("*_*.raw") if TITLE.fullmatch(path.stem))

    def add(self, source: Path) -> AnyManifest:
        """Install the image ``source`` and mount it, and return its pack's manifest; it is not in use yet.

        JepaError says why it is not fit; then nothing of it stays.
        """
        title = source.name.removesuffix(".raw")
        if not TITLE.fullmatch(title) or not source.name.endswith(".raw"):
            raise JepaError(
                f"{source.name[:80]!r} is not called NAME_VERSION.raw.",
                "An extension image is called as it was made.",
                status=422,
            )
        if title in self.titles():
            raise JepaError(f"{title} is installed already.", "`jepa packs use` puts it in use.", status=409)
        examine(source, self._architecture())
        self._check_room(source)
        new = self._place / f".{title}.raw"
        try:
            _copy(source, new)
            self._mount(title, new)
            manifest = self._verify(title)
            new.rename(self._place / f"{title}.raw")
            _sync(self._place)
        except BaseException:
            self._unmount(title)
            new.unlink(missing_ok=True)
            raise
        return manifest

    def drop(self, title: str) -> None:
        """Take an installed pack away, which must not be in use."""
        self._unmount(title)
        (self._place / f"{title}.raw").unlink(missing_ok=True)

    def choose(self, kind: str, title: str | None) -> None:
        """Use the installed pack ``title`` for ``kind``, now and after a boot; None: the system's own."""
        for place in (self._place, self._root / MOUNTED):
            folder = place / IN_USE
            folder.mkdir(mode=0o755, parents=True, exist_ok=True)
            if title is None:
                (folder / kind).unlink(missing_ok=True)
            else:
                new = folder / f".{kind}"
                new.unlink(missing_ok=True)
                new.symlink_to(title)
                new.replace(folder / kind)
            _sync(folder)

    def mount_all(self) -> list[JepaError]:
        """Mount what is installed, as after a boot; returns why some are not there now."""
        faults = []
        for left in self._place.glob(".*.raw"):  # the power went while one was installed
            left.unlink()
        for title in self.titles():
            try:
                examine(self._place / f"{title}.raw", self._architecture())
                self._mount(title, self._place / f"{title}.raw")
            except JepaError as fault:
                faults.append(fault)
        for link in (self._place / IN_USE).glob("[a-z]*"):
            self.choose(link.name, link.readlink().name)
        return faults

    def _architecture(self) -> str:
        return ARCHITECTURES.get(platform.machine(), platform.machine())

    def _check_room(self, source: Path) -> None:
        self._place.mkdir(mode=0o755, parents=True, exist_ok=True)
        needed, free = source.stat().st_size + _ROOM_LEFT, shutil.disk_usage(self._place).free
        if free < needed:
            raise JepaError(
                f"There is no room for {source.name}: {needed >> 20} MiB are needed, {free >> 20} free.",
                "Remove a pack, or make room below /var.",
                status=507,
            )

    def _mount(self, title: str, image: Path) -> None:
        folder = self._root / MOUNTED / title
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="jepa-packs-") as answers:
            # Where it trusts no signature it takes the image for an encrypted one, and would wait for a
            # person's passphrase; with an answer at hand it gives up.
            (Path(answers) / "dissect.passphrase").write_text("none")
            mount = ["env", f"CREDENTIALS_DIRECTORY={answers}", "systemd-dissect", "--mount", "--read-only"]
            done = self._run([*mount, f"--image-policy={POLICY}", str(image), str(folder)])
        if done.returncode == 0:
            done = self._run(["mount", "-o", _SAFE, str(folder)])
        if done.returncode:
            self._unmount(title)
            raise _refused(title, done.stderr)

    def _unmount(self, title: str) -> None:
        """Also where somebody still reads it, who then reads on."""
        folder = self._root / MOUNTED / title
        if folder.is_dir():
            self._run(["umount", "--lazy", "--quiet", str(folder)])
            folder.rmdir()

    def _verify(self, title: str) -> AnyManifest:
        """The manifest of the mounted pack ``title``, once every file was read and the pack fits here."""
        tree = self._root / MOUNTED / title
        _read_all(tree, title)
        release = _fields(tree / _RELEASES / f"extension-release.{title}")
        own = _fields(self._root / "usr/lib/os-release")
        if release.get("ID") not in ("_any", own.get("ID")):
            raise JepaError(
                f"{title} is an extension for {release.get('ID', 'no system at all')}.",
                "Take one that was made as docs/how-to/make-a-pack.md says.",
                status=422,
            )
        if release.get("ARCHITECTURE", "_any") not in ("_any", self._architecture()):
            raise JepaError(
                f"{title} is for {release['ARCHITECTURE']}, and this machine is {self._architecture()}.",
                "Take the one for this machine.",
                status=422,
            )
        folder = mounted_pack(title, self._root)
        if folder is None:
            raise JepaError(
                f"{title} has no pack in it: /{SHIPPED}/{title.partition('_')[0]} is not there.",
                "docs/how-to/make-a-pack.md says how a pack is made.",
                status=422,
            )
        manifest = verify_pack(folder)
        if title != f"{manifest.name}_{manifest.version}":
            raise JepaError(
                f"{title} holds {manifest.name} {manifest.version}.", "Call it what it holds.", status=422
            )
        return manifest


def _fields(file: Path) -> dict[str, str]:
    """The variables of an os-release file; none where it is not there."""
    if not file.is_file():
        return {}
    lines = file.read_text(errors="replace").splitlines()
    return {name: value.strip('"') for name, _, value in (line.partition("=") for line in lines)}


def _refused(title: str, said: str) -> JepaError:
    """The error for a person, from what systemd-dissect wrote."""
    if re.search(_UNTRUSTED, said):
        return JepaError(
            f"{title} is signed by nobody who is trusted here, or was altered since.",
            "Put the certificate of whoever signed it into /etc/verity.d/NAME.crt, if you trust them.",
            status=403,
        )
    last = (said.strip().splitlines() or ["it gave no reason"])[-1]
    return JepaError(f"{title} cannot be mounted: {last.rstrip('.')}.", "Fetch it again.", status=422)


def _copy(source: Path, to: Path) -> None:
    try:
        shutil.copyfile(source, to)
        with to.open("rb") as file:
            os.fsync(file.fileno())
    except OSError as error:
        raise JepaError(
            f"{source.name} cannot be copied: {error.strerror}.", "Make room.", status=507
        ) from error


def _read_all(tree: Path, title: str) -> None:
    """JepaError where a block of any file is not what was signed, which the kernel then does not give."""
    try:
        for folder, _, names in os.walk(tree, onerror=_raise):
            for path in (Path(folder) / name for name in names):
                if path.is_file() and not path.is_symlink():
                    path.read_bytes()
    except OSError as error:
        raise JepaError(
            f"{title} is damaged: a part of it is not what was signed ({error.strerror}).",
            "Fetch it again.",
            status=422,
        ) from error


def _raise(error: OSError) -> None:
    raise error


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
