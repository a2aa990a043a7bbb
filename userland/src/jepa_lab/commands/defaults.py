# SPDX-License-Identifier: Apache-2.0
"""What several commands share: where the machine pack lies, and the version of a pack that is built anew."""

import tomllib
from pathlib import Path

from jepa.errors import JepaError

PACK = Path("model-packs/machine")
RECORDED = PACK / "recordings"
VERSION_HELP = "of the pack (default: that of the pack which is replaced, or 0.1.0)"


def version_in(folder: Path) -> str:
    """The version of the pack in ``folder``; of one that is not there yet, the first."""
    try:
        return str(tomllib.loads((folder / "pack.toml").read_text(encoding="utf-8"))["version"])
    except FileNotFoundError:
        return "0.1.0"
    except (KeyError, ValueError) as error:
        raise JepaError(
            f"{folder / 'pack.toml'} has no version: {error}.", "Give one by --version."
        ) from error
