# SPDX-License-Identifier: Apache-2.0
"""Install, choose and remove packs: an image is put in place and tried, and only then is it in use."""

import re
import shutil
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from jepa.errors import JepaError
from jepa.packs.images import Images
from jepa.packs.pack import read_manifest
from jepa.packs.places import INSTALLED, TITLE, chosen_title, mounted_packs, named_pack
from jepa.service.api import PackOut
from jepa.updates.channel import SignedChannel
from jepa.updates.versions import order

NEXT_START: Final = {"machine": "jepad", "vision": "jepa-vision", "robot": "jepa-vision"}
"""Which daemon reads a pack of a kind when it starts. A machine pack is changed while jepad runs, and which
language pack is in use, whoever reads a sentence looks."""
_WAIT_S: Final = 30.0
SETTINGS: Final = "etc/jepa/packs.toml"
"""Where an administrator may name the channel of packs, `source = "..."`, and the wave of a fleet."""
_WORK: Final = "/var/tmp"
"""On the disk, where a pack has room; /tmp is memory."""


class Jepad(Protocol):
    """What is asked of the service."""

    def use_pack(self, name: str) -> PackOut:
        """Have another machine pack forecast."""


@dataclass(frozen=True, slots=True)
class Here:
    """A pack on this machine."""

    name: str
    version: str
    kind: str
    title: str | None
    """NAME_VERSION where it was installed; None where it is the system's own."""

    @property
    def asked(self) -> str:
        """How jepad is asked for it."""
        return self.title or self.name


@dataclass(frozen=True, slots=True)
class Changed:
    """What became of a change."""

    pack: str
    """Name and version of the pack that is in use for its kind."""
    kind: str
    live: bool
    """Whether it is in use already, and not from the next start of a daemon on."""


@dataclass(frozen=True, slots=True)
class Left:
    """A pack that was taken back by whoever released it, and is gone from here."""

    pack: str
    """Its name and version."""
    instead: str | None
    """What took its place; None where it was not in use."""


@dataclass(frozen=True, slots=True)
class Followed:
    """What became of following a channel."""

    left: tuple[Left, ...]
    taken: tuple[Changed, ...]


class PackChanges:
    """Changes which packs are here and in use; needs root.

    ``jepad`` reaches the service, or gives None where it does not run: then the next start decides.
    """

    def __init__(
        self,
        images: Images,
        jepad: Callable[[], Jepad | None],
        here: Callable[[], list[Here]] | None = None,
        chosen: Callable[[str], str | None] = chosen_title,
        try_language: Callable[[str], None] | None = None,
    ) -> None:
        self._images, self._jepad = images, jepad
        self._try_language = try_language or _heard
        self._here = here or packs_here_by_version
        self._chosen = chosen

    def install(self, source: str) -> Changed:
        """Install an image, a file or an http(s) address, and put it in use; JepaError: all is as it was."""
        if re.fullmatch(r"https?://\S+", source):
            with tempfile.TemporaryDirectory(prefix="jepa-pack-", dir=_WORK) as folder:
                return self._install(_fetch(source, Path(folder)))
        if not Path(source).is_file():
            raise JepaError(f"There is no file {source}.", "Name an image, NAME_VERSION.raw.", status=404)
        return self._install(Path(source))

    def use(self, name: str, version: str | None) -> Changed:
        """Put a pack in use that is here: that version, or the newest."""
        return self._use(self._one(name, version, self._here()))

    def remove(self, name: str, version: str | None) -> Changed:
        """Take an installed pack away; where it is in use, the newest other of its kind is used first."""
        all_here = self._here()
        wanted = self._one(name, version, [each for each in all_here if each.title is not None] or all_here)
        if wanted.title is None:
            raise JepaError(
                f"{wanted.name} {wanted.version} is a part of the system.", "It goes with it.", status=409
            )
        others = [each for each in all_here if each.kind == wanted.kind and each != wanted]
        changed = Changed("", wanted.kind, True)
        if self._chosen(wanted.kind) == wanted.title:
            following = max(
                others, key=lambda each: (each.name == wanted.name, order(each.version)), default=None
            )
            if following is None:
                self._images.choose(wanted.kind, None)
            else:
                changed = self._use(following)
        self._images.drop(wanted.title)
        return changed

    def follow(self, channel: SignedChannel) -> Followed:
        """Leave what ``channel`` has taken back, and use what it has that is newer than what is here.

        Of a pack that is not here nothing is installed. JepaError when one cannot be left or put in use;
        what was changed before stays.
        """
        left, taken = [], []
        # What is in use goes last: by then nothing that was taken back is there to take its place.
        for pack in sorted(self._here(), key=lambda each: each.title == self._chosen(each.kind)):
            if pack.title in channel.withdrawn:
                changed = self.remove(pack.name, pack.version)
                left.append(Left(f"{pack.name} {pack.version}", changed.pack or None))
        newest: dict[str, Here] = {}
        for pack in sorted(self._here(), key=lambda each: order(each.version)):
            newest[pack.name] = pack
        for pack in newest.values():
            offered = [
                match["version"]
                for name in channel.sums
                if (match := TITLE.fullmatch(name.removesuffix(".raw")))
                and name.endswith(".raw")
                and match["name"] == pack.name
                and match[0] not in channel.withdrawn
            ]
            best = max(offered, key=order, default=None)
            if best is not None and order(best) > order(pack.version):
                with tempfile.TemporaryDirectory(prefix="jepa-pack-", dir=_WORK) as folder:
                    taken.append(self._install(channel.fetch(f"{pack.name}_{best}.raw", Path(folder))))
        return Followed(tuple(left), tuple(taken))

    def _install(self, source: Path) -> Changed:
        manifest = self._images.add(source)
        title = f"{manifest.name}_{manifest.version}"
        try:
            return self._use(Here(manifest.name, manifest.version, manifest.kind, title))
        except BaseException:
            self._images.drop(title)
            raise

    def _use(self, wanted: Here) -> Changed:
        live = False
        if wanted.kind == "machine" and (jepad := self._jepad()) is not None:
            jepad.use_pack(wanted.asked)
            live = True
        elif wanted.kind == "language":
            self._try_language(wanted.asked)
            live = True
        self._images.choose(wanted.kind, wanted.title)
        return Changed(f"{wanted.name} {wanted.version}", wanted.kind, live)

    def _one(self, name: str, version: str | None, here: list[Here]) -> Here:
        found = [each for each in here if each.name == name and version in (None, each.version)]
        if not found:
            wanted = name if version is None else f"{name} {version}"
            raise JepaError(
                f"There is no pack {wanted} here.", "`jepa packs list` says which there are.", status=404
            )
        return max(found, key=lambda each: order(each.version))


def packs_here_by_version() -> list[Here]:
    """The packs of this system and those that were installed."""
    found = []
    own = INSTALLED.parent
    shipped = (
        sorted(path for path in own.iterdir() if (path / "pack.toml").is_file()) if own.is_dir() else []
    )
    for folder, title in [
        *((folder, None) for folder in shipped),
        *((folder, folder.parents[4].name) for folder in mounted_packs()),
    ]:
        manifest = read_manifest(folder)
        found.append(Here(manifest.name, manifest.version, manifest.kind, title))
    return found


def _heard(name: str) -> None:
    """JepaError where the language pack that is called so cannot hear a sentence."""
    # Read when a pack is tried: numpy and the runtime take memory.
    from jepa.language.encoder import try_pack

    try_pack(named_pack(name))


def _fetch(address: str, folder: Path) -> Path:
    """The file at ``address``, in ``folder``. Who may have altered it on its way, its signature tells."""
    file = folder / address.rsplit("/", 1)[1].partition("?")[0]
    try:
        with urllib.request.urlopen(address, timeout=_WAIT_S) as answer, file.open("wb") as to:
            shutil.copyfileobj(answer, to)
    except (OSError, urllib.error.URLError) as error:
        reason = getattr(error, "reason", None) or error.strerror or error
        raise JepaError(
            f"{address} cannot be fetched: {reason}.", "Look at the address.", status=502
        ) from error
    return file
