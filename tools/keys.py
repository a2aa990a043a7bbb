# SPDX-License-Identifier: Apache-2.0
"""Make the keys that releases, boot loaders and packs are signed with, in keys/. Never committed.

An image takes updates that are signed with the release key it was built with, and no others. What
firmware starts of it is signed with the Secure Boot key, whose certificate firmware must know. It trusts
packs that are signed with the packs' key. What a TPM measures of it is signed with a fourth one, by which a
disk opens for later versions as well. Keep them all.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

KEYS = Path(__file__).resolve().parent.parent / "keys"
OWNER = "JEPA OS releases"
VALID_DAYS = 3650
"""Of the certificate, for tools that ask; firmware does not look at it."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A key to sign with, and its certificate."""

    key: Path
    certificate: Path

    @property
    def made(self) -> bool:
        """Whether both files are there."""
        return self.key.exists() and self.certificate.exists()


def public_key(keys: Path = KEYS) -> Path:
    """Return where the public key is, which the image carries; the file is there when keys were made."""
    return keys / "import-pubring.gpg"


def secure_boot(keys: Path = KEYS) -> Pair:
    """Return where the key is that what the firmware starts is signed with, and its certificate."""
    return Pair(keys / "secure-boot.key", keys / "secure-boot.crt")


def packs(keys: Path = KEYS) -> Pair:
    """Return where the key that packs are signed with and its certificate are."""
    return Pair(keys / "packs.key", keys / "packs.crt")


def expected_pcr(keys: Path = KEYS) -> Pair:
    """Return where the key is that values of PCR 11 are signed with, and its certificate."""
    return Pair(keys / "expected-pcr.key", keys / "expected-pcr.crt")


def gpg(keys: Path, *words: str) -> bytes:
    """Run gpg with the keys in `keys` and return its output; CalledProcessError when it fails."""
    command = ["gpg", "--homedir", str(keys / "gnupg"), "--batch", "--yes", "--quiet", *words]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout


def make(keys: Path) -> None:
    """Make what is not there yet of the keys in the directory `keys`."""
    keys.mkdir(parents=True, exist_ok=True)
    keys.chmod(0o700)
    if not public_key(keys).exists():
        make_release_key(keys)
    for pair, name in (
        (secure_boot(keys), "JEPA OS Secure Boot"),
        (packs(keys), "JEPA OS packs"),
        (expected_pcr(keys), "JEPA OS PCR 11"),
    ):
        if not pair.made:
            make_pair(pair, name)


def make_release_key(keys: Path) -> None:
    """Make the key that lists of sums are signed with, and its public half."""
    (keys / "gnupg").mkdir(mode=0o700)
    unprotected = ["--pinentry-mode", "loopback", "--passphrase", ""]
    gpg(keys, *unprotected, "--quick-generate-key", OWNER, "ed25519", "sign", "never")
    public_key(keys).write_bytes(gpg(keys, "--export", OWNER))


def make_pair(pair: Pair, name: str) -> None:
    """Make an RSA key of 2048 bits, which all firmware and TPMs know, and a certificate with `name`."""
    kind = ["-newkey", "rsa:2048", "-noenc", "-sha256", "-days", str(VALID_DAYS)]
    place = ["-keyout", str(pair.key), "-out", str(pair.certificate), "-subj", f"/CN={name}"]
    subprocess.run(["openssl", "req", "-x509", *kind, *place], check=True, stderr=subprocess.DEVNULL)
    pair.key.chmod(0o600)


def main() -> int:
    """Make the keys that are not there."""
    if public_key().exists() and all(each().made for each in (secure_boot, packs, expected_pcr)):
        print(f"The keys are in {KEYS} already. Releases, boot loaders and packs are signed with them.")
        return 0
    make(KEYS)
    print(f"The keys are in {KEYS}. Keep a copy: images that are built now take updates by them alone.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
