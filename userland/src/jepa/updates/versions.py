# SPDX-License-Identifier: Apache-2.0
"""Which version of the system runs, which lies beside it, and what became of that one.

The versions lie in slots, of which /dev/disk/by-partlabel has the labels, `jepa-os_VERSION`. What was asked
for and what came of it is below /var/lib/jepa-update: `next.json`, the version that is to start next;
`passed`, a line for each version that passed its check; `failed`, lines of a version, a tab and why it
failed; `etc-kept`, what of /etc is not as the version that runs ships it (etc.py). Everybody may read them.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PREFIX: Final = "jepa-os_"
STATE: Final = "var/lib/jepa-update"
SLOTS: Final = "dev/disk/by-partlabel"
EMPTY: Final = "_empty"
"""The label of a slot with nothing in it."""
TRIES: Final = 3
"""How often the boot loader starts a new version that does not pass its check (20-uki.transfer)."""
_LONGEST_REASON: Final = 500
_SILENT: Final = (
    "it did not get as far as to say why: its image, its kernel or its /usr does not start here."
)


@dataclass(frozen=True, slots=True)
class Versions:
    """What there is of the system on this machine."""

    running: str
    other: str | None = None
    """In the other slot."""
    role: str | None = None
    """Of the other: `previous`, `pending` (starts next), `failed` (started, left again), `incomplete`."""
    reason: str = ""
    """Why it failed, as far as is known."""
    trial: bool = False
    """Whether the one that runs was put in place by an update and has not passed its check yet."""


def order(version: str) -> tuple[tuple[int, int | str], ...]:
    """A key by which versions sort: numbers as numbers, and below them words, as in 1.2~rc1."""
    parts = re.findall(r"\d+|[a-z]+|~", version)
    keys = ((1, int(part)) if part.isdigit() else (-1 if part == "~" else 0, part) for part in parts)
    return (*keys, (0, ""))


def running(root: Path) -> str | None:
    """The version that runs below ``root``; None where that is no image."""
    try:
        lines = (root / "usr/lib/os-release").read_text(errors="replace").splitlines()
    except OSError:
        return None
    release = dict(line.split("=", 1) for line in lines if "=" in line)
    if release.get("IMAGE_ID", "").strip('"') != PREFIX.rstrip("_"):
        return None
    return release.get("IMAGE_VERSION", "").strip('"') or None


def slots(root: Path) -> frozenset[str]:
    """The labels of the partitions below ``root``."""
    place = root / SLOTS
    return frozenset(path.name for path in place.iterdir()) if place.is_dir() else frozenset()


def versions(root: Path) -> Versions | None:
    """What runs and what lies beside it, below ``root``; None where no image runs."""
    now = running(root)
    if now is None:
        return None
    asked, boot, tried = _next(root)
    trial = tried and asked == now and now not in _lines(root, "passed")
    others = {name.removeprefix(PREFIX) for name in slots(root) if name.startswith(PREFIX)} - {now}
    if not others:
        return Versions(now, trial=trial)
    other = max(others, key=order)
    if asked == other and boot == boot_id(root):
        return Versions(now, other, "pending", trial=trial)
    said = [line.partition("\t")[2] for line in _lines(root, "failed") if line.partition("\t")[0] == other]
    if said:
        return Versions(now, other, "failed", said[-1][:_LONGEST_REASON], trial)
    if order(other) < order(now):
        return Versions(now, other, "previous", trial=trial)
    if asked == other:
        return Versions(now, other, "failed", trial=trial)
    return Versions(now, other, "incomplete", trial=trial)


def tell(found: Versions) -> str:
    """The versions in one or two sentences."""
    said = f"JEPA OS {found.running} runs" + (" on trial" if found.trial else "")
    match found.role:
        case "previous":
            return f"{said}; {found.other} is there to go back to."
        case "pending":
            return f"{said}; {found.other} starts with the next boot."
        case "failed":
            return f"{said}. {found.other} was tried and left again: {found.reason or _SILENT}"
        case "incomplete":
            return f"{said}. {found.other} was not put in place whole and is not started."
        case _:
            return f"{said}; no other version is there."


def kept_settings(root: Path) -> list[str]:
    """A sentence for each thing in /etc that the last change of the version left as its owner made it."""
    return _lines(root, "etc-kept")


def note_next(root: Path, version: str, *, trial: bool) -> None:
    """Note that ``version`` is to start next, on ``trial`` or not; OSError when that cannot be written."""
    record = {"version": version, "boot_id": boot_id(root), "trial": trial}
    _state(root).joinpath("next.json").write_text(json.dumps(record) + "\n")


def note_failed(root: Path, version: str, reason: str) -> None:
    """Note why ``version`` is not to be run; OSError when that cannot be written."""
    with (_state(root) / "failed").open("a") as record:
        record.write(f"{version}\t{reason}\n")


def forget(root: Path, version: str) -> None:
    """Drop what is known of ``version``, which is put in place anew; OSError when that cannot be written."""
    for name in ("failed", "passed"):
        kept = [line for line in _lines(root, name) if line.partition("\t")[0] != version]
        (_state(root) / name).write_text("".join(f"{line}\n" for line in kept))


def boot_id(root: Path) -> str:
    """Which boot this is; empty where that is not known."""
    try:
        return (root / "proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _state(root: Path) -> Path:
    place = root / STATE
    place.mkdir(parents=True, exist_ok=True)
    return place


def _lines(root: Path, name: str) -> list[str]:
    try:
        return (root / STATE / name).read_text(errors="replace").splitlines()
    except OSError:
        return []


def _next(root: Path) -> tuple[str, str, bool]:
    """The version last asked for, the boot in which, whether on trial; empty when that is not known."""
    try:
        record = json.loads((root / STATE / "next.json").read_text())
        return str(record["version"]), str(record["boot_id"]), bool(record["trial"])
    except (OSError, ValueError, KeyError, TypeError):
        return "", "", False
