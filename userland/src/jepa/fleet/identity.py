# SPDX-License-Identifier: Apache-2.0
"""Who a machine is in its fleet: a key of its own, whose hash is its name, so nobody else can have it."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from jepa.durable import PRIVATE, replace_file
from jepa.errors import JepaError

_FILE = "machine.key"
_BYTES = 32


@dataclass(frozen=True, slots=True)
class Identity:
    """The key with which a machine signs."""

    private: Ed25519PrivateKey

    @property
    def public(self) -> bytes:
        """What its signatures are checked with."""
        return self.private.public_key().public_bytes_raw()

    @property
    def host(self) -> str:
        """The name of the machine."""
        return host_of(self.public)

    def sign(self, content: bytes) -> bytes:
        """The signature of ``content``."""
        return self.private.sign(content)


def host_of(public: bytes) -> str:
    """The name of the machine that has the public key ``public``."""
    return f"h-{hashlib.sha256(public).hexdigest()[:16]}"


def is_signed(content: bytes, signature: bytes, public: bytes) -> bool:
    """Whether the machine with the public key ``public`` has signed ``content``."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, content)
    except (InvalidSignature, ValueError):
        return False
    return True


def identity_in(folder: Path) -> Identity:
    """The key kept in ``folder``, made when there is none. JepaError when it cannot be read or kept."""
    file = folder / _FILE
    try:
        if not file.exists():
            replace_file(file, Ed25519PrivateKey.generate().private_bytes_raw(), PRIVATE)
        return Identity(Ed25519PrivateKey.from_private_bytes(file.read_bytes()))
    except (OSError, ValueError) as error:
        raise JepaError(
            f"The key of this machine in {file} cannot be used: {error}.",
            "Remove it; the machine is then a new one to its fleet.",
        ) from error
