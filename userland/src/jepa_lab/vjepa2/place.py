# SPDX-License-Identifier: Apache-2.0
"""Where a converted pack goes; apart from what imports PyTorch, so that a command refuses at once."""

from pathlib import Path

from jepa.errors import JepaError


def must_be_free(out: Path) -> None:
    """JepaError when ``out`` is there already."""
    if out.exists():
        raise JepaError(f"{out} is there already.", "Remove it, or choose another --out.")
