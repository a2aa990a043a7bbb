# SPDX-License-Identifier: Apache-2.0
"""The channel schema: which channels a frame has, in which order, and what each one means."""

import difflib
import hashlib
import json
import math
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, cast, get_args

from jepa.errors import JepaError

Transform = Literal["linear", "log1p", "sqrt"]

PACKAGE_FILE = Path(__file__).with_name("channels.toml")


@dataclass(frozen=True, slots=True)
class Channel:
    """One named scalar of telemetry.

    ``low``, ``high`` and ``noise_floor`` are in ``unit``; ``transform`` names the scale on which differences
    are comparable.
    """

    name: str
    unit: str
    low: float
    high: float
    transform: Transform
    noise_floor: float
    source: str
    description: str


@dataclass(frozen=True)
class Schema:
    """Channels in frame order; column ``i`` of a frame is ``channels[i]``."""

    version: int
    channels: tuple[Channel, ...]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Channel names in frame order."""
        return tuple(channel.name for channel in self.channels)

    @cached_property
    def digest(self) -> str:
        """SHA-256, in hex, of everything that gives a value its meaning: not of prose and source."""
        meaning = [
            self.version,
            [[c.name, c.unit, c.low, c.high, c.transform, c.noise_floor] for c in self.channels],
        ]
        return hashlib.sha256(json.dumps(meaning, separators=(",", ":")).encode()).hexdigest()

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {name: position for position, name in enumerate(self.names)}

    def index(self, name: str) -> int:
        """Column of the channel ``name``; JepaError (404) with the nearest names when there is none."""
        try:
            return self._positions[name]
        except KeyError:
            raise JepaError(f"There is no channel {name!r}.", self._suggestion(name), status=404) from None

    def select(self, names: Sequence[str]) -> "Schema":
        """The schema of ``names`` alone, in their order; JepaError (404) when one is not a channel."""
        return Schema(self.version, tuple(self.channels[self.index(name)] for name in names))

    def _suggestion(self, name: str) -> str:
        near = difflib.get_close_matches(name, self.names, n=3, cutoff=0.5)
        near += [known for known in self.names if name and name in known and known not in near]
        near = near[:3]
        return f"Did you mean {' or '.join(near)}?" if near else "`jepa watch` lists the channels."


def load_schema(path: Path | None = None) -> Schema:
    """The schema in ``path``, or the one that comes with jepa.

    Raises JepaError naming the file and the entry when it is not a valid schema.
    """
    file = PACKAGE_FILE if path is None else path
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise JepaError(f"The channel schema {file} cannot be read: {error}.", _REMEDY) from error
    version = content.get("version")
    entries = content.get("channel")
    if not isinstance(version, int) or not isinstance(entries, list) or not entries:
        raise JepaError(f"The channel schema {file} has no version or no [[channel]] entries.", _REMEDY)
    channels = tuple(_channel(entry, file) for entry in entries)
    names = [channel.name for channel in channels]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise JepaError(f"The channel schema {file} names {', '.join(twice)} twice.", _REMEDY)
    return Schema(version=version, channels=channels)


_REMEDY = "Reinstall jepa, or correct the file."


def _channel(entry: object, file: Path) -> Channel:
    try:
        fields = cast("dict[str, Any]", entry)
        channel = Channel(
            name=_text(fields["name"]),
            unit=_text(fields["unit"]),
            low=float(fields["low"]),
            high=float(fields["high"]),
            transform=fields["transform"],
            noise_floor=float(fields["noise_floor"]),
            source=_text(fields["source"]),
            description=_text(fields["description"]),
        )
        if channel.transform not in get_args(Transform):
            raise ValueError(
                f"transform {channel.transform!r} is not one of {', '.join(get_args(Transform))}"
            )
        if not (math.isfinite(channel.low) and math.isfinite(channel.high) and channel.low < channel.high):
            raise ValueError("low and high are not an ascending range")
        if channel.transform != "linear" and channel.low < 0:
            raise ValueError(f"{channel.transform} needs low >= 0")
        if not (math.isfinite(channel.noise_floor) and channel.noise_floor > 0):
            raise ValueError("noise_floor is not above 0")
    except (KeyError, TypeError, ValueError) as error:
        reason = f"{error.args[0]} is missing" if isinstance(error, KeyError) else str(error)
        raise JepaError(
            f"The channel schema {file} has a bad entry {entry!r}: {reason}.", _REMEDY
        ) from error
    return channel


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{value!r} is not a text")
    return value
