# SPDX-License-Identifier: Apache-2.0
"""The keys of a fleet: a file for its machines, which hide names, and one for its owner, who reads them.

A machine's file has a secret, under which names are hashed, and the owner's public key, to which the table
of names is sealed (HPKE, RFC 9180). So a machine can say no more about another's names than whether one is
what it guesses, and whoever has only the store cannot say even that. The owner's file has the private key
as well.
"""

import hashlib
import hmac
import os
import stat
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from jepa.errors import JepaError

MACHINE_FILE: Final = "fleet.key"
OWNER_FILE: Final = "owner.key"
_VERSION: Final = 1
_BYTES: Final = 32
_DIGITS: Final = 16
_SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
_NAMES: Final = b"jepa fleet names 1"
_REMEDY: Final = "Make keys with `jepa-lab fleet keys DIR`, and copy the file whole."


@dataclass(frozen=True, slots=True)
class FleetKey:
    """What every machine of a fleet has."""

    secret: bytes
    owner: bytes
    """The owner's public key, X25519."""

    def __post_init__(self) -> None:
        if len(self.secret) != _BYTES or len(self.owner) != _BYTES:
            raise ValueError(f"a key has {_BYTES} bytes")

    def pseudonym(self, kind: str, name: str) -> str:
        """What stands for ``name`` on every machine of this fleet: ``kind`` and 64 bits of a hash."""
        return f"{kind}-{self._mac(b'name', kind.encode(), os.fsencode(name))[:_DIGITS]}"

    def enrolment(self, public: bytes) -> str:
        """What shows that a machine with the public key ``public`` has the secret of this fleet."""
        return self._mac(b"enrolment", public)

    def seal(self, table: bytes) -> bytes:
        """``table``, to be read by the owner alone."""
        return _SUITE.encrypt(table, X25519PublicKey.from_public_bytes(self.owner), info=_NAMES)

    def _mac(self, *parts: bytes) -> str:
        mac = hmac.new(self.secret, digestmod=hashlib.sha256)
        for part in parts:  # with their lengths, so that no two lists of parts are one
            mac.update(len(part).to_bytes(4, "big") + part)
        return mac.hexdigest()


@dataclass(frozen=True, slots=True)
class OwnerKey:
    """What the owner of a fleet has, and no machine of it."""

    fleet: FleetKey
    private: bytes

    def unseal(self, sealed: bytes) -> bytes:
        """What was sealed; JepaError when it was altered, or sealed to somebody else."""
        try:
            return _SUITE.decrypt(sealed, X25519PrivateKey.from_private_bytes(self.private), info=_NAMES)
        except (InvalidTag, ValueError):
            raise JepaError(
                "A table of names cannot be opened with this owner's key.", "Use the key of this fleet."
            ) from None


def make_keys(folder: Path) -> None:
    """Write the files of a new fleet into ``folder``; JepaError when there are some already."""
    private = X25519PrivateKey.generate()
    secret, public = os.urandom(_BYTES), private.public_key().public_bytes_raw()
    lines = [f"version = {_VERSION}", f'secret = "{secret.hex()}"', f'owner = "{public.hex()}"']
    own = [*lines, f'private = "{private.private_bytes_raw().hex()}"']
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(
            folder / OWNER_FILE, ["# The owner's key of a fleet. No machine of the fleet may have it.", *own]
        )
        _write(folder / MACHINE_FILE, ["# The key of a fleet, for each of its machines.", *lines])
    except OSError as error:
        raise JepaError(
            f"{folder} takes no keys: {error.strerror}.", "Name a new folder; keys are never replaced."
        ) from error


def read_fleet_key(file: Path) -> FleetKey:
    """The machine's key in ``file``; JepaError when it is none, is the owner's, or everybody can read it."""
    content = _read(file)
    if "private" in content:
        raise JepaError(
            f"{file} is the key of the fleet's owner, which is for no machine.",
            f"Copy {MACHINE_FILE} here instead, and delete this one.",
        )
    return _fleet(content, file)


def read_owner_key(file: Path) -> OwnerKey:
    """The owner's key in ``file``; JepaError when it is none or everybody can read it."""
    content = _read(file)
    private = _bytes(content, "private", file)
    fleet = _fleet(content, file)
    if X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw() != fleet.owner:
        raise JepaError(f"{file} has two keys that do not belong together.", _REMEDY)
    return OwnerKey(fleet, private)


def _read(file: Path) -> dict[str, object]:
    try:
        with file.open("rb") as opened:
            if os.fstat(opened.fileno()).st_mode & stat.S_IRWXO:
                raise JepaError(f"Everybody can read the key {file}.", f"chmod 600 {file}", status=403)
            content = tomllib.loads(opened.read(4096).decode())
    except FileNotFoundError:
        raise JepaError(f"There is no key of a fleet at {file}.", _REMEDY, status=404) from None
    except (OSError, ValueError) as error:
        raise JepaError(f"The key {file} cannot be read: {error}.", _REMEDY) from error
    if content.get("version") != _VERSION:
        raise JepaError(f"{file} is no key of a fleet of version {_VERSION}.", _REMEDY)
    return content


def _fleet(content: dict[str, object], file: Path) -> FleetKey:
    return FleetKey(_bytes(content, "secret", file), _bytes(content, "owner", file))


def _bytes(content: dict[str, object], name: str, file: Path) -> bytes:
    try:
        value = bytes.fromhex(str(content[name]))
    except (KeyError, ValueError):
        value = b""
    if len(value) != _BYTES:
        raise JepaError(f"The key {file} has no valid {name!r}.", _REMEDY)
    return value


def _write(file: Path, lines: list[str]) -> None:
    fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "w") as opened:
        opened.write("\n".join(lines) + "\n")
