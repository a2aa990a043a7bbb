# SPDX-License-Identifier: Apache-2.0
"""`jepa encryption`: whether the data on the disk are encrypted; show their recovery key once."""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from jepa import encryption
from jepa.shell.request import Request

_ROOT = Path("/")


def run(request: Request) -> int:
    """Say how it is, or show the key and forget it."""
    out = request.out
    if request.args.what is None:
        found = encryption.read(_ROOT)
        if out.json:
            out.data(asdict(found))
        else:
            out.line(encryption.tell(found))
        return 0
    key = encryption.recovery_key(_ROOT)
    if out.json:
        out.data({"recovery_key": key})
    else:
        out.line(key)
    out.flush()  # only what was written is forgotten
    encryption.forget(_ROOT, datetime.now(UTC))
    return 0
