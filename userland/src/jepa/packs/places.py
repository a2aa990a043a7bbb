# SPDX-License-Identifier: Apache-2.0
"""Where packs lie: those of the system, those that were installed, and which of them is in use.

An installed pack is an extension image, /var/lib/jepa-packs/NAME_VERSION.raw, mounted with verity at
/run/jepa-packs/NAME_VERSION. Which one is in use for a kind of pack, a link says that is called as the kind,
below /var/lib/jepa-packs/in-use for the next boot and below /run/jepa-packs/in-use for the daemons.
"""

import os
import re
from pathlib import Path
from typing import Final

from jepa.errors import JepaError

IMAGES: Final = Path("var/lib/jepa-packs")
MOUNTED: Final = Path("run/jepa-packs")
IN_USE: Final = "in-use"
SHIPPED: Final = Path("usr/lib/jepa/packs")
"""The packs below the root of the system, and below that of an extension image."""
INSTALLED: Final = Path("/") / SHIPPED / "machine"
TITLE: Final = re.compile(r"(?P<name>[a-z0-9][a-z0-9-]*)_(?P<version>[0-9]+\.[0-9]+\.[0-9]+)")
"""NAME_VERSION, as an image, its mount point and its extension release are called."""


def default_pack_dir() -> Path:
    """Where the machine pack is: $JEPA_PACK, else that in use, else the system's, else the source tree's."""
    named = os.environ.get("JEPA_PACK")
    if named:
        return Path(named)
    chosen = installed_in_use("machine")
    if chosen is not None:
        return chosen
    if INSTALLED.is_dir():
        return INSTALLED
    return Path(__file__).resolve().parents[4] / "model-packs" / "machine"


def chosen_title(kind: str, root: Path = Path("/")) -> str | None:
    """NAME_VERSION of the installed pack that was chosen for ``kind``; None where the system's own is."""
    link = root / MOUNTED / IN_USE / kind
    return link.readlink().name if link.is_symlink() else None


def installed_in_use(kind: str, root: Path = Path("/")) -> Path | None:
    """The installed pack that was chosen for ``kind`` and is there; None where the system's own is used."""
    title = chosen_title(kind, root)
    return None if title is None else mounted_pack(title, root)


def mounted_pack(title: str, root: Path = Path("/")) -> Path | None:
    """The directory of the installed pack ``title``, which is NAME_VERSION; None where it is not mounted."""
    match = TITLE.fullmatch(title)
    if match is None:
        return None
    folder = root / MOUNTED / title / SHIPPED / match["name"]
    return folder if folder.is_dir() else None


def mounted_packs(root: Path = Path("/")) -> list[Path]:
    """The directories of all installed packs that are mounted."""
    place = root / MOUNTED
    titles = sorted(path.name for path in place.iterdir()) if place.is_dir() else []
    return [folder for title in titles if (folder := mounted_pack(title, root)) is not None]


def named_pack(name: str) -> Path:
    """The installed pack NAME_VERSION, or the system's own called ``name``; JepaError where it is not."""
    shipped = INSTALLED.parent / name
    if re.fullmatch(r"[a-z0-9-]+", name) and shipped.is_dir():
        return shipped
    found = mounted_pack(name)
    if found is None:
        raise JepaError(
            f"There is no pack {name[:80]!r} here.", "`jepa packs list` says which there are.", status=404
        )
    return found
