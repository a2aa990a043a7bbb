# SPDX-License-Identifier: Apache-2.0
"""The manifest of one machine and day: which parts it sent, what they are, its signature under all of it.

Two lines: the content as JSON, and the signature of just these bytes in hex. What is in a store and in no
manifest was not sent whole. Everything in it is checked before any of it is used: it comes from a place
that others write to.
"""

import json
from base64 import b64decode, b64encode
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic.dataclasses import dataclass

from jepa.errors import JepaError
from jepa.fleet.identity import Identity, host_of, is_signed
from jepa.fleet.keys import FleetKey

VERSION: Final = 1
LARGEST: Final = 16 << 20
"""Bytes of a manifest."""
LARGEST_FILE: Final = 64 << 20
"""Bytes of one file of a part: an hour takes one or two MiB."""
MOST_PARTS: Final = 1500
"""Parts of a day: one a minute, and some."""

MOST_FRAMES: Final = 200_000
"""Of a part: two days of seconds, where one is an hour."""

Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Host = Annotated[str, StringConstraints(pattern=r"^h-[0-9a-f]{16}$")]
Day = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
PartName = Annotated[str, StringConstraints(pattern=r"^[0-9]{8}T[0-9]{6}Z-[0-9a-f]{12}$")]
ChannelName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_.]{1,100}$")]
Words = Annotated[str, StringConstraints(pattern=r"^[ -~]{0,200}$")]
"""Text that cannot make a terminal do anything."""
Count = Annotated[int, Field(ge=0, le=1 << 40)]
Time = Annotated[int, Field(ge=0, lt=1 << 62)]
FileName = Literal["frames.parquet", "actions.parquet", "events.parquet", "meta.json"]
FILES: Final[tuple[FileName, ...]] = ("frames.parquet", "actions.parquet", "events.parquet", "meta.json")
"""What a part consists of."""


_CHECKED: Final = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

# Millions of these are held for a fleet: as models they would take five times the memory.


@dataclass(frozen=True, slots=True, kw_only=True, config=_CHECKED)
class SentFile:
    """One file of a part."""

    size: Annotated[int, Field(ge=1, le=LARGEST_FILE)]
    sha256: Hash


@dataclass(frozen=True, slots=True, kw_only=True, config=_CHECKED)
class Shape:
    """What kind of machine it is."""

    cpus: Count | None
    memory_mib: Count | None
    kernel: Words
    machine: Words

    def __str__(self) -> str:
        memory = "?" if self.memory_mib is None else f"{self.memory_mib / 1024:.0f}"
        return f"{self.cpus or '?'} CPUs, {memory} GiB, {self.machine}, {self.kernel}"


@dataclass(frozen=True, slots=True, kw_only=True, config=_CHECKED)
class StoredRecording:
    """One recording in the store."""

    name: PartName
    start_ns: Time
    end_ns: Time
    frames: Annotated[int, Field(ge=1, le=MOST_FRAMES)]
    missed: Count | None
    schema_version: Count
    schema_digest: Hash
    shape: Shape
    content: Hash
    """Of the frames, whatever file they are in."""
    levels: dict[ChannelName, float]
    """The median of each channel that was observed."""
    files: dict[FileName, SentFile]

    @property
    def hours(self) -> float:
        """How long it is."""
        return max(0, self.end_ns - self.start_ns) / 3.6e12

    @property
    def day(self) -> str:
        """The day to whose manifest it belongs, UTC."""
        return f"{self.name[:4]}-{self.name[4:6]}-{self.name[6:8]}"


class DayManifest(BaseModel):
    """What one machine sent of one day."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    version: Literal[1] = VERSION
    host: Host
    day: Day
    sent_ns: Time
    """By the machine's own clock."""
    lost: Count
    """Parts it had to drop so far, since they could not be sent before its room for them was full."""
    parts: Annotated[tuple[StoredRecording, ...], Field(strict=False, max_length=MOST_PARTS)]
    names: Annotated[str, StringConstraints(max_length=LARGEST)]
    """The sealed table of names, base64."""
    key: Hash
    """The machine's public key."""
    enrolment: Hash

    @property
    def sealed(self) -> bytes:
        """The table of names, for the owner to open; JepaError when it is not base64."""
        try:
            return b64decode(self.names, validate=True)
        except ValueError:
            raise JepaError(f"The names of {self.host} are not base64.", _LEFT_OUT) from None


_LEFT_OUT: Final = "It is left out."


def signed(
    identity: Identity,
    key: FleetKey,
    *,
    day: str,
    parts: tuple[StoredRecording, ...],
    table: dict[str, str],
    lost: int,
    sent_ns: int,
) -> bytes:
    """The manifest of this machine as it is stored."""
    sealed = key.seal(json.dumps(table, sort_keys=True).encode())
    manifest = DayManifest(
        host=identity.host,
        day=day,
        sent_ns=sent_ns,
        lost=lost,
        parts=parts,
        names=b64encode(sealed).decode(),
        key=identity.public.hex(),
        enrolment=key.enrolment(identity.public),
    )
    content = manifest.model_dump_json().encode()
    return content + b"\n" + identity.sign(content).hex().encode() + b"\n"


def checked(stored: bytes, key: FleetKey) -> DayManifest:
    """The manifest in ``stored``, which a machine of the fleet of ``key`` has signed; else JepaError."""
    if len(stored) > LARGEST:
        raise JepaError(f"A manifest of {len(stored)} bytes is none.", _LEFT_OUT)
    content, _, rest = stored.partition(b"\n")
    try:
        signature = bytes.fromhex(rest.removesuffix(b"\n").decode("ascii"))
        manifest = DayManifest.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "content"
        raise JepaError(f"The manifest is malformed: {where}: {first['msg']}.", _LEFT_OUT) from None
    except (ValueError, RecursionError):
        raise JepaError("The manifest is malformed: it has no signature.", _LEFT_OUT) from None
    public = bytes.fromhex(manifest.key)
    if manifest.host != host_of(public):
        raise JepaError("The manifest is signed with the key of another machine.", _LEFT_OUT)
    if not is_signed(content, signature, public):
        raise JepaError("The manifest was altered: its signature does not fit.", _LEFT_OUT)
    if manifest.enrolment != key.enrolment(public):
        raise JepaError("The manifest is of a machine that has not the key of this fleet.", _LEFT_OUT)
    _check_parts(manifest)
    return manifest


def _check_parts(manifest: DayManifest) -> None:
    for part in manifest.parts:
        if part.day != manifest.day or part.end_ns < part.start_ns or set(part.files) != set(FILES):
            raise JepaError(f"The manifest is malformed: part {part.name} contradicts itself.", _LEFT_OUT)
