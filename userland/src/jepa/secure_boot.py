# SPDX-License-Identifier: Apache-2.0
"""Whether the firmware starts only what is signed, and what the kernel then keeps root from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

VARIABLES: Final = "sys/firmware/efi/efivars"
LOCKDOWN: Final = "sys/kernel/security/lockdown"
_GLOBAL: Final = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
_ATTRIBUTES: Final = 4
"""Bytes before the content of a variable."""


@dataclass(frozen=True, slots=True)
class SecureBoot:
    """What the firmware and the kernel say; None where they say nothing."""

    firmware: bool
    """Whether the machine was started by UEFI."""
    enabled: bool | None
    """Whether the firmware checks signatures."""
    setup: bool | None
    """Whether the firmware has no owner: whoever starts first may put in keys."""
    lockdown: str | None
    """What the kernel keeps from root: none, integrity, confidentiality."""


def read(root: Path) -> SecureBoot:
    """Ask the running machine, whose files are below `root`."""
    place = root / VARIABLES
    enabled, setup = (_flag(place / f"{name}-{_GLOBAL}") for name in ("SecureBoot", "SetupMode"))
    try:
        chosen = re.search(r"\[(\w+)\]", (root / LOCKDOWN).read_text())
    except OSError:
        chosen = None
    return SecureBoot(place.parent.is_dir(), enabled, setup, chosen[1] if chosen else None)


def tell(found: SecureBoot) -> str:
    """Say it in one or two sentences."""
    if not found.firmware:
        return "The machine was not started by UEFI firmware; nothing checked what it started."
    if found.enabled is None:
        return "The firmware does not tell whether it checks signatures."
    if found.enabled:
        kept = f" The kernel's lockdown is at {found.lockdown}." if found.lockdown else ""
        return f"The firmware starts only what is signed.{kept}"
    if found.setup:
        return "The firmware starts anything: it has no keys yet, and takes those that it is first given."
    return "The firmware starts anything: Secure Boot is switched off."


def _flag(variable: Path) -> bool | None:
    """Whether the variable of one byte is set; None where it is not to be read."""
    try:
        content = variable.read_bytes()[_ATTRIBUTES:]
    except OSError:
        return None
    return content == b"\1" if len(content) == 1 else None
