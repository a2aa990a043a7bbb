# SPDX-License-Identifier: Apache-2.0
"""A root with an image that runs, as far as updates look at it."""

import json
from pathlib import Path

TRANSFER = "[Source]\nType=url-file\nPath=file:///var/lib/jepa-update/release\n"


def machine(root: Path, *labels: str, version: str = "1.2.0", boot: str = "now") -> Path:
    """A root with an image of ``version`` that runs and partitions with ``labels``."""
    files = {
        "usr/lib/os-release": f'ID=debian\nIMAGE_ID="jepa-os"\nIMAGE_VERSION="{version}"\n',
        "usr/lib/sysupdate.d/10-usr.transfer": TRANSFER,
        "proc/sys/kernel/random/boot_id": f"{boot}\n",
        **{f"dev/disk/by-partlabel/{label}": "" for label in labels},
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "boot/EFI/Linux").mkdir(parents=True, exist_ok=True)
    return root


def record(root: Path, version: str, boot: str, *, failed: str = "", passed: str = "") -> None:
    """What an update to ``version``, asked for in ``boot``, has left."""
    state = root / "var/lib/jepa-update"
    state.mkdir(parents=True, exist_ok=True)
    (state / "next.json").write_text(json.dumps({"version": version, "boot_id": boot, "trial": True}))
    (state / "failed").write_text(failed)
    (state / "passed").write_text(passed)
