# SPDX-License-Identifier: Apache-2.0
"""Make the key that releases are signed with, in keys/, and its public half for the image. Never committed.

An image takes updates that are signed with the key it was built with, and no others: keep it.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

KEYS = Path(__file__).resolve().parent.parent / "keys"
OWNER = "JEPA OS releases"


def public_key(keys: Path = KEYS) -> Path:
    """Return where the public key is, which the image carries; the file is there when keys were made."""
    return keys / "import-pubring.gpg"


def gpg(keys: Path, *words: str) -> bytes:
    """Run gpg with the keys in `keys` and return its output; CalledProcessError when it fails."""
    command = ["gpg", "--homedir", str(keys / "gnupg"), "--batch", "--yes", "--quiet", *words]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout


def make(keys: Path) -> None:
    """Make a key in `keys`, a directory that is not there yet."""
    (keys / "gnupg").mkdir(parents=True, mode=0o700)
    keys.chmod(0o700)
    unprotected = ["--pinentry-mode", "loopback", "--passphrase", ""]
    gpg(keys, *unprotected, "--quick-generate-key", OWNER, "ed25519", "sign", "never")
    public_key(keys).write_bytes(gpg(keys, "--export", OWNER))


def main() -> int:
    """Make the key unless there is one."""
    if public_key().exists():
        print(f"There is a key in {KEYS} already. Releases are signed with it.")
        return 0
    make(KEYS)
    print(f"The key is in {KEYS}. Keep a copy: images that are built now take updates signed with it alone.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
