# SPDX-License-Identifier: Apache-2.0
"""Where the owner of a machine says that its recordings go, and how fast: /etc/jepa/fleet.toml."""

import math
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jepa.errors import JepaError

FILE: Final = Path("/etc/jepa/fleet.toml")
KEY_FILE: Final = Path("/etc/jepa/fleet.key")
USUAL_KIB_PER_S: Final = 256.0


@dataclass(frozen=True, slots=True)
class UploadSettings:
    """Where to send to, and how fast."""

    store: str
    kib_per_s: float = USUAL_KIB_PER_S

    def __post_init__(self) -> None:
        if not isinstance(self.store, str):
            raise ValueError("store is no text")
        if isinstance(self.kib_per_s, bool) or not isinstance(self.kib_per_s, int | float):
            raise ValueError("kib_per_s is no number")
        if not 1 <= self.kib_per_s < math.inf:
            raise ValueError("kib_per_s is less than 1, or no number")


def read_settings(file: Path = FILE) -> UploadSettings:
    """The settings in ``file``; JepaError when there are none or they are wrong."""
    try:
        return UploadSettings(**tomllib.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise JepaError(
            f"No store is named in {file}: nothing leaves this machine.",
            'To have its recordings collected, write store = "s3://BUCKET/PREFIX" there.',
            status=404,
        ) from None
    except (OSError, ValueError, TypeError) as error:
        raise JepaError(
            f"{file} cannot be used: {error}.", 'It has store = "ADDRESS" and, if wanted, kib_per_s = 256.'
        ) from error
