# SPDX-License-Identifier: Apache-2.0
"""A key that signs, a machine that trusts it, and a channel in waves, as an owner makes them."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools import keys


@contextmanager
def release_key() -> Iterator[Path]:
    """A key, in a directory with a short name: the agent's socket lies in it."""
    place = Path(tempfile.mkdtemp(prefix="keys-"))
    (place / "keys").mkdir(mode=0o700)
    keys.make_release_key(place / "keys")
    try:
        yield place / "keys"
    finally:
        subprocess.run(["gpgconf", "--homedir", str(place / "keys/gnupg"), "--kill", "all"], check=True)
        shutil.rmtree(place, ignore_errors=True)  # the agent takes its sockets away itself, perhaps just now


def trusting(root: Path, key: Path) -> Path:
    """``root`` as that of an image that was built with ``key``."""
    place = root / "usr/lib/systemd"
    place.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(keys.public_key(key), place / "import-pubring.gpg")
    return root
