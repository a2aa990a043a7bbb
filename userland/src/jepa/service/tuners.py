# SPDX-License-Identifier: Apache-2.0
"""Other tuners of this machine, as parts that `jepa doctor` lists."""

from pathlib import Path

from jepa.actions.guard import tuners
from jepa.service.api import Part


def found(root: Path = Path("/")) -> list[Part]:
    """A part for each tuner that is active below ``root``, by name; empty when there is none."""
    return [_part(each) for each in tuners.found(root)]


def _part(tuner: tuners.Active) -> Part:
    setting = f" ({tuner.setting})" if tuner.setting else ""
    return Part(name=f"tuner {tuner.name}", state="ok", reason=f"Active: {tuner.sets}{setting}.")
