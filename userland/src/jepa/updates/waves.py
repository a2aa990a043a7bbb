# SPDX-License-Identifier: Apache-2.0
"""Waves in which a version reaches the machines of a fleet: a few first, then a tenth, then all.

A channel in waves is a directory with one for each wave, each a signed channel by itself. What is in the
directory of a wave is in those before it, too, so a machine reads one directory: that of the first wave it
belongs to. Which that is follows from its machine ID and nothing else, so that it stays where it is, nobody
hands out places, and no list of machines is kept.
"""

import hashlib
import hmac
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from jepa.errors import JepaError

WAVES: Final[Mapping[str, float]] = MappingProxyType({"canary": 0.01, "tenth": 0.1, "all": 1.0})
"""By name, the share of machines that a version has reached with it; in the order in which they come."""
BY_MACHINE: Final = "auto"
"""In the settings: the wave follows from the machine ID."""
_MACHINE_ID: Final = "etc/machine-id"
_DOMAIN: Final = b"jepa waves 1\0"


def position(machine_id: str, kind: str) -> float:
    """Where a machine stands, 0 to 1, the first to be reached at 0, for versions of ``kind``.

    The machine ID is the key of the hash, as in systemd's IDs for applications, since it is not to be shown.
    With ``kind`` in it the machines that come first for packs are not those that come first for the system.
    """
    mac = hmac.digest(machine_id.strip().encode(), _DOMAIN + kind.encode(), hashlib.sha256)
    return int.from_bytes(mac[:8], "big") / 2**64


def wave_at(place: float) -> str:
    """The first wave that reaches a machine at ``place``."""
    return next(name for name, share in WAVES.items() if place < share)


def followed(root: Path, settings: str, kind: str) -> str | None:
    """The address of the channel that the file ``settings`` below ``root`` names; None without that file.

    With ``wave`` in it, it is that of the wave: of the one that is named, or that this machine belongs to.
    JepaError when it cannot be used.
    """
    file = root / settings
    try:
        content = tomllib.loads(file.read_text())
        source, wave = content["source"], content.get("wave")
        if not isinstance(source, str) or wave not in (None, BY_MACHINE, *WAVES):
            raise ValueError(f"wave is one of {', '.join((BY_MACHINE, *WAVES))}, and source a text")
        if wave == BY_MACHINE:
            wave = wave_at(position((root / _MACHINE_ID).read_text(), kind))
    except FileNotFoundError:
        if not file.exists():
            return None
        raise JepaError(
            f"This machine has no /{_MACHINE_ID}, from which its wave would follow.",
            "systemd-machine-id-setup makes one.",
            status=422,
        ) from None
    except (OSError, KeyError, ValueError) as error:
        problem = f"/{settings} cannot be used: {error}."
        raise JepaError(
            problem, 'It has source = "ADDRESS" and, for a channel in waves, wave = "auto".', status=422
        ) from None
    return source if wave is None else f"{source.rstrip('/')}/{wave}"


def as_address(source: str) -> str:
    """``source``, an http(s) address or a directory here, as an address. JepaError when it is neither."""
    if re.fullmatch(r"(https?|file)://\S+", source):
        return source.rstrip("/")
    if not Path(source).is_dir():
        problem = f"{source} is neither a directory here nor an http(s) address."
        raise JepaError(problem, "Name where a release lies.", status=404)
    return Path(source).resolve().as_uri()
