# SPDX-License-Identifier: Apache-2.0
"""How a source of channels, or whatever else watches the machine, does."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SourceState:
    """How one source did at the last reading."""

    name: str
    ok: bool
    """False when it gave no channel and knows why."""
    channels: int
    """Channels observed in the last frame."""
    of: int
    """Channels it can give on some machine."""
    reason: str
    """Why channels are missing, or empty."""
    note: str = ""
    """What a person should know of the channels that are there, or empty."""
