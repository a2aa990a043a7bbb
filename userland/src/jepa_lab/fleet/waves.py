# SPDX-License-Identifier: Apache-2.0
"""Releases a version of a pack or of the system in waves: the owner's side of `jepa.updates.waves`.

A channel in waves is a directory with one for each wave. To release to the next wave is to put the files
into its directory as well, and to sign that; to take a version back is to take them out of all, and to say
so in the signed file ``withdrawn`` of each. When what happened is kept beside them, in ``waves.jsonl``.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jepa.errors import JepaError
from jepa.updates.channel import SUMS, WITHDRAWN
from jepa.updates.waves import WAVES

LOG: Final = "waves.jsonl"
BACK: Final = "back"
"""In the log: a version was taken back."""
_ORDER: Final = tuple(WAVES)
_SYSTEM: Final = re.compile(r"(?P<title>jepa-os_[^_]+)_.+")
_PACK: Final = re.compile(r"(?P<title>[a-z0-9][a-z0-9-]*_[0-9]+\.[0-9]+\.[0-9]+)\.raw")

Sign = Callable[[Path, Path], None]
"""Writes the signature of the first file into the second."""


@dataclass(frozen=True, slots=True)
class Released:
    """A version, and how far it is."""

    title: str
    """NAME_VERSION."""
    wave: str
    """The last it was released to, or ``back``."""
    since_s: float
    """When that was, in seconds since the epoch."""


def title_of(file: str) -> str | None:
    """NAME_VERSION of the version that a file belongs to; None of what is no part of one."""
    match = _PACK.fullmatch(file) or _SYSTEM.fullmatch(file)
    return match["title"] if match else None


def signer(keys: Path) -> Sign:
    """Signs with the release key that `make keys` has made in ``keys``."""

    def sign(content: Path, signature: Path) -> None:
        command = ["gpg", "--homedir", str(keys / "gnupg"), "--batch", "--yes", "--quiet"]
        done = subprocess.run(
            [*command, "--output", str(signature), "--detach-sign", str(content)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["gpg gave no reason"])[-1]
            raise JepaError(f"{content.parent} cannot be signed: {last}.", "Name the keys with --keys.")

    return sign


class Waves:
    """The channel in ``place``; ``now_s`` tells the time."""

    def __init__(self, place: Path, sign: Sign, now_s: Callable[[], float]) -> None:
        self._place, self._sign, self._now_s = place, sign, now_s

    def released(self) -> list[Released]:
        """Every version and how far it is, the one that was changed last at the end."""
        try:
            lines = (self._place / LOG).read_text().splitlines()
            found = [Released(**json.loads(line)) for line in lines]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError) as error:
            raise JepaError(f"{self._place / LOG} cannot be read: {error}.", "Mend it.") from error
        last = {each.title: each for each in found}
        return sorted(last.values(), key=lambda each: each.since_s)

    def start(self, files: Sequence[Path]) -> list[Released]:
        """Release the versions that ``files`` are of to the first wave. JepaError: nothing was changed."""
        titles = {file: title_of(file.name) for file in files}
        known = {each.title for each in self.released()}
        for file, title in titles.items():
            if title is None or not file.is_file():
                raise JepaError(
                    f"{file} is no file of a version.",
                    "Name a pack's image, NAME_VERSION.raw, or the files jepa-os_VERSION_* of a release.",
                )
            if title in known:
                raise JepaError(f"{title} was released before.", "Give the new one a number of its own.")
        for wave in _ORDER:  # all of them can be followed from now on
            folder = self._place / wave
            folder.mkdir(parents=True, exist_ok=True)
            # Listed also where nothing was taken back: systemd-pull takes an empty list for a broken one.
            (folder / WITHDRAWN).touch()
            if wave == _ORDER[0]:
                _put(files, folder, shutil.copyfile)
            if wave == _ORDER[0] or not (folder / SUMS).exists() or not (folder / SUMS).stat().st_size:
                self._seal(folder)
        return [self._note(title, _ORDER[0]) for title in dict.fromkeys(titles.values()) if title]

    def next(self, title: str) -> Released:
        """Release ``title`` to the wave after the one it has reached. JepaError: nothing was changed."""
        now = self._known(title)
        if now.wave == _ORDER[-1]:
            raise JepaError(f"{title} has reached all machines.", "There is no later wave.")
        folder = self._place / _ORDER[_ORDER.index(now.wave) + 1]
        files = [path for path in (self._place / now.wave).iterdir() if title_of(path.name) == title]
        _put(files, folder, os.link)  # the same bytes, which nobody writes to any more
        self._seal(folder)
        return self._note(title, folder.name)

    def back(self, title: str) -> Released:
        """Take ``title`` back from every machine that has it. JepaError: nothing was changed."""
        self._known(title)
        for wave in reversed(_ORDER):  # who comes first keeps it longest: nobody takes it anew meanwhile
            folder = self._place / wave
            with (folder / WITHDRAWN).open("a") as file:
                file.write(f"{title}\n")
            gone = [path for path in folder.iterdir() if title_of(path.name) == title]
            self._seal(folder, without=gone)
            for path in gone:
                path.unlink()
        return self._note(title, BACK)

    def _known(self, title: str) -> Released:
        found = next((each for each in self.released() if each.title == title), None)
        if found is None:
            titles = ", ".join(each.title for each in self.released()) or "none"
            raise JepaError(f"{title} was never released in {self._place}.", f"There are: {titles}.")
        if found.wave == BACK:
            raise JepaError(f"{title} was taken back.", "Release a new version.")
        return found

    def _note(self, title: str, wave: str) -> Released:
        noted = Released(title, wave, self._now_s())
        line = json.dumps({"title": title, "wave": wave, "since_s": noted.since_s})
        with (self._place / LOG).open("a") as file:
            file.write(f"{line}\n")
            file.flush()
            os.fsync(file.fileno())
        return noted

    def _seal(self, folder: Path, without: Sequence[Path] = ()) -> None:
        """List the sums of all files in ``folder`` but those ``without``, and sign the list."""
        lines = []
        for path in sorted(folder.iterdir()):
            if path in without or not (title_of(path.name) or path.name == WITHDRAWN):
                continue
            with path.open("rb") as file:
                lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {path.name}\n")
        new = folder / f".{SUMS}"
        new.write_text("".join(lines))
        self._sign(new, folder / f".{SUMS}.gpg")
        (folder / f".{SUMS}.gpg").rename(folder / f"{SUMS}.gpg")
        new.rename(folder / SUMS)


def _put(files: Sequence[Path], folder: Path, way: Callable[[Path, Path], object]) -> None:
    """Have ``files`` in ``folder``, each whole or not at all."""
    for file in files:
        new = folder / f".{file.name}"
        new.unlink(missing_ok=True)
        way(file, new)
        new.rename(folder / file.name)
