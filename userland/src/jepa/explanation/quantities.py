# SPDX-License-Identifier: Apache-2.0
"""Numbers with their units, as an explanation writes them."""

from typing import Final

_STEPS: Final = ("B", "KiB", "MiB", "GiB", "TiB")


def bytes_text(count: float) -> str:
    """Bytes in the unit that a person would take, such as ``1.2 GiB``."""
    step = 0
    while abs(count) >= 1000 and step < len(_STEPS) - 1:
        count, step = count / 1024, step + 1
    return f"{count:.0f} {_STEPS[step]}" if abs(count) >= 10 or step == 0 else f"{count:.1f} {_STEPS[step]}"


def quantity(value: float, unit: str) -> str:
    """A value in a channel's unit, such as ``41 %``, ``1.2 MiB/s`` or ``300/s``."""
    if unit.startswith("KiB"):
        return bytes_text(1024 * value) + unit.removeprefix("KiB")
    number = f"{value:.0f}" if abs(value) >= 10 or value == 0 else f"{value:.1f}"
    if unit.startswith("{"):
        return number + ("/s" if unit.endswith("/s") else "")
    return f"{number} {'°C' if unit == 'Cel' else unit}".rstrip()
