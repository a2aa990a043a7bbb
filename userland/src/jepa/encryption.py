# SPDX-License-Identifier: Apache-2.0
"""Whether the data of this machine are encrypted, and the recovery key that opens them without its TPM."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from jepa.errors import JepaError

NAME: Final = "jepa-root"
"""Of the device that the encrypted partition is opened as (usr/lib/jepa/open-root of the image)."""
PLACE: Final = "var/lib/jepa-encryption"
_KEY: Final = "recovery-key"
_SHOWN: Final = "recovery-key-shown"


@dataclass(frozen=True, slots=True)
class Encryption:
    """What the kernel says of it."""

    encrypted: bool
    """Whether / is on an encrypted partition."""
    tpm: bool
    """Whether the machine has a TPM 2."""


def read(root: Path) -> Encryption:
    """Ask the running machine, whose files are below ``root``."""
    names = [path.read_text().strip() for path in (root / "sys/class/block").glob("dm-*/dm/name")]
    return Encryption(NAME in names, any((root / "sys/class/tpmrm").glob("*")))


def tell(found: Encryption) -> str:
    """Say it in one sentence."""
    if found.encrypted:
        return "The data on this disk are encrypted: this machine's TPM opens them, or the recovery key."
    if found.tpm:
        return "The data on this disk are not encrypted, though there is a TPM: a factory reset would do it."
    return "The data on this disk are not encrypted: this machine has no TPM 2."


def recovery_key(root: Path) -> str:
    """The recovery key, where it was not shown yet; JepaError with the reason where it is not there."""
    place = root / PLACE
    try:
        if (place / _KEY).exists():
            return (place / _KEY).read_text().strip()
        shown = (place / _SHOWN).read_text().strip() if (place / _SHOWN).exists() else None
    except PermissionError:
        raise JepaError("Only root sees the recovery key.", "Log in as root.", status=403) from None
    if shown is not None:
        raise JepaError(
            f"The recovery key was shown on {shown}, and is kept nowhere.",
            "`systemd-cryptenroll --recovery-key` makes another (docs/how-to/recover-a-disk.md).",
            status=409,
        )
    raise JepaError("There is no recovery key.", tell(read(root)), status=404)


def forget(root: Path, now: datetime) -> None:
    """Remove the recovery key, which a person has seen ``now``."""
    place = root / PLACE
    (place / _SHOWN).write_text(f"{now:%Y-%m-%d}\n")
    (place / _KEY).unlink()
