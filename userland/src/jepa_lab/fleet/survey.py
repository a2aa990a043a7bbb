# SPDX-License-Identifier: Apache-2.0
"""What is in a fleet's store: its machines, how much each has sent, and what had to be left out, and why.

Nothing is believed that no machine of the fleet has signed. What is wrong costs itself: the part, the day
or the machine is named and left out, and the rest goes on.
"""

import hashlib
import json
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Final

from jepa.errors import JepaError
from jepa.fleet.keys import OwnerKey
from jepa.fleet.manifest import LARGEST, LARGEST_FILE, DayManifest, Shape, StoredRecording, checked
from jepa.fleet.store import Store, is_away
from jepa.fleet.upload import HOSTS, part_path
from jepa.telemetry.schema import Schema

CLOCK_NS: Final = 300 * 10**9
"""Clocks further apart than this are not the same time."""
_MANIFEST: Final = ".manifest"
_SLASHES: Final = 2
"""In the path of a manifest."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What was left out, or is doubtful, and why."""

    place: str
    what: str


@dataclass(frozen=True, slots=True)
class Host:
    """One machine: its parts that can be used, the oldest first."""

    host: str
    parts: tuple[StoredRecording, ...]
    lost: int = 0
    """Parts that it had to drop before they could be sent."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Pseudonym to name."""
    levels: Mapping[str, float] = field(default_factory=dict)
    """The median over its parts of the level of each channel; the parts have none any more."""

    @property
    def hours(self) -> float:
        """How long it was recorded."""
        return sum(part.hours for part in self.parts)


@dataclass(frozen=True, slots=True)
class Survey:
    """All machines that have sent anything that can be used, and all that cannot."""

    hosts: tuple[Host, ...]
    problems: tuple[Problem, ...]


def survey(store: Store, owner: OwnerKey, schema: Schema, now_ns: int, *, check: bool = False) -> Survey:
    """Look through ``store``; with ``check``, also read every file and compare its sum.

    JepaError when the store cannot be read at all.
    """
    problems: list[Problem] = []
    twice: list[Problem] = []
    listed = store.find(HOSTS, lambda place, error: problems.append(Problem(place, str(error))))
    sizes = {found.path: found.size for found in listed}
    hosts: list[Host] = []
    claimed: set[str] = set()
    seen: dict[bytes, str] = {}
    paths = sorted(path for path in sizes if path.endswith(_MANIFEST))
    for _, days in groupby(paths, lambda path: path.rpartition("/")[0]):  # one machine's are held at a time
        manifests = []
        good: list[StoredRecording] = []
        names: dict[str, str] = {}
        for path in days:
            try:
                manifest = _manifest(store, path, owner)
                names |= _table(owner.unseal(manifest.sealed))
            except JepaError as error:
                if is_away(error):
                    raise
                problems.append(Problem(path, str(error)))
                continue
            manifests.append(manifest)
            claimed |= {
                part_path(manifest.host, part.name, file) for part in manifest.parts for file in part.files
            }
            wrong_clock = _clock(manifest, store.modified_ns(path))
            if wrong_clock:
                problems.append(Problem(path, wrong_clock))
            for part in manifest.parts:
                why = _wrong(part, manifest.host, sizes, schema, now_ns) or (
                    _altered(store, manifest.host, part) if check else None
                )
                if why is None:
                    good.append(part)
                else:
                    problems.append(Problem(f"{HOSTS}/{manifest.host}/{part.name}", why))
        if manifests:
            host, lost = manifests[0].host, max(each.lost for each in manifests)
            kept = _once(host, good, seen, twice)
            hosts.append(Host(host, _slim(kept, schema), lost, names, _levels(kept)))
    return Survey(tuple(hosts), (*problems, *twice, *_unclaimed(sizes, claimed)))


def _manifest(store: Store, path: str, owner: OwnerKey) -> DayManifest:
    manifest = checked(store.read(path, LARGEST), owner.fleet)
    if path != f"{HOSTS}/{manifest.host}/{manifest.day}{_MANIFEST}":
        raise JepaError("It is the manifest of another machine or day.", "It is left out.")
    return manifest


def _table(content: bytes) -> dict[str, str]:
    try:
        return {str(pseudonym): str(name) for pseudonym, name in json.loads(content).items()}
    except (ValueError, AttributeError, RecursionError):
        raise JepaError("Its table of names is none.", "It is left out.") from None


def _clock(manifest: DayManifest, stored_ns: int) -> str | None:
    apart = manifest.sent_ns - stored_ns
    if abs(apart) <= CLOCK_NS:
        return None
    side = "ahead of" if apart > 0 else "behind"
    doubt = "" if apart > 0 else ", unless the store was copied since"
    return f"The clock of the machine is {abs(apart) / 1e9:.0f} s {side} the store's{doubt}: doubtful times."


def _wrong(
    part: StoredRecording, host: str, sizes: Mapping[str, int], schema: Schema, now_ns: int
) -> str | None:
    """Why a part cannot be used, as far as it can be told without reading it."""
    for file, sent in part.files.items():
        size = sizes.get(part_path(host, part.name, file))
        if size is None:
            return f"{file} is missing: half an upload, or deleted."
        if size != sent.size:
            return f"{file} has {size} bytes instead of {sent.size}."
    if (part.schema_version, part.schema_digest) != (schema.version, schema.digest):
        return f"It has other channels (version {part.schema_version}, {part.schema_digest[:12]})."
    if part.end_ns > now_ns + CLOCK_NS:
        return "It is from the future: the clock of the machine is wrong."
    if not any(part.levels.values()):
        return "It holds nothing but zeros."
    return None


def _altered(store: Store, host: str, part: StoredRecording) -> str | None:
    for file, sent in part.files.items():
        try:
            content = store.read(part_path(host, part.name, file), LARGEST_FILE)
        except JepaError as error:
            if is_away(error):
                raise
            return str(error)
        if hashlib.sha256(content).hexdigest() != sent.sha256:
            return f"{file} was altered since the machine sent it."
    return None


def _once(
    host: str, parts: Iterable[StoredRecording], seen: dict[bytes, str], twice: list[Problem]
) -> list[StoredRecording]:
    """Each recording of ``host`` that is none of ``seen``, where it joins, or overlaps the one before."""
    good: list[StoredRecording] = []
    for part in sorted(parts, key=lambda each: (each.start_ns, each.name)):
        place = f"{HOSTS}/{host}/{part.name}"
        content = bytes.fromhex(part.content)
        if content in seen:
            twice.append(Problem(place, f"It is the same recording as {seen[content]}."))
        elif good and part.start_ns <= good[-1].end_ns:
            twice.append(Problem(place, f"It is of a time that {good[-1].name} is of as well."))
        else:
            seen[content] = place
            good.append(part)
    return good


def _levels(parts: Sequence[StoredRecording]) -> dict[str, float]:
    """The median over ``parts`` of each channel."""
    known: dict[str, list[float]] = {}
    for part in parts:
        for name, level in part.levels.items():
            known.setdefault(name, []).append(level)
    return {name: statistics.median(levels) for name, levels in known.items()}


def _slim(parts: Sequence[StoredRecording], schema: Schema) -> tuple[StoredRecording, ...]:
    """``parts`` without their levels, and with one copy of what is the same in all of them."""
    shapes: dict[Shape, Shape] = {}
    return tuple(
        replace(
            part, levels={}, shape=shapes.setdefault(part.shape, part.shape), schema_digest=schema.digest
        )
        for part in parts
    )


def _unclaimed(sizes: Mapping[str, int], claimed: set[str]) -> Iterator[Problem]:
    """Files that no manifest names, one problem for each folder of them."""
    folders: dict[str, int] = {}
    for path, size in sizes.items():
        if path not in claimed and not (path.endswith(_MANIFEST) and path.count("/") == _SLASHES):
            folder = path.rpartition("/")[0]
            folders[folder] = folders.get(folder, 0) + size
    for folder, size in folders.items():
        yield Problem(folder, f"No manifest names it: half an upload, or not of a machine ({size} bytes).")
