# SPDX-License-Identifier: Apache-2.0
"""Read an encrypted partition (LUKS2) out of a disk's file with a passphrase, as whoever has both can.

By the format's description alone, without the kernel and cryptsetup, which a host of tests may lack.
"""

import base64
import hashlib
import json
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

_SECTOR = 512
"""In which numbers of sectors count, whatever is encrypted at a time."""
_HEADER = 4096
"""Bytes before the header's JSON."""
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Volume:
    """What is encrypted, and the key for it."""

    disk: Path
    start: int
    end: int
    key: bytes
    sector: int

    def pieces(self) -> Iterator[bytes]:
        """Its content, but for what was never written."""
        with self.disk.open("rb") as file:
            at = self.start
            while at < self.end:
                try:
                    at = os.lseek(file.fileno(), at, os.SEEK_DATA)
                except OSError:  # nothing more
                    return
                at -= (at - self.start) % _PIECE
                data = os.pread(file.fileno(), min(_PIECE, self.end - at), at)
                if data:
                    yield _decrypt(data, self.key, self.sector, (at - self.start) // _SECTOR)
                at += _PIECE

    def contains(self, text: bytes) -> bool:
        """Whether ``text``, within a piece, is anywhere in it."""
        return any(text in piece for piece in self.pieces())


def described(disk: Path, start: int) -> dict[str, Any]:
    """What the header of the partition at ``start`` says of its keys; ValueError where it has none."""
    with disk.open("rb") as file:
        header = os.pread(file.fileno(), _HEADER, start)
        magic, version, length = struct.unpack_from(">6sHQ", header)
        if (magic, version) != (b"LUKS\xba\xbe", 2):
            raise ValueError(f"{disk} is not encrypted at {start}")
        text = os.pread(file.fileno(), length - _HEADER, start + _HEADER).partition(b"\0")[0]
    found: dict[str, Any] = json.loads(text)
    return found


def opened(disk: Path, start: int, size: int, passphrase: str) -> Volume | None:
    """The partition of ``size`` bytes at ``start``, by ``passphrase``; None where that does not open it."""
    about = described(disk, start)
    with disk.open("rb") as file:
        for name, slot in about["keyslots"].items():
            area, kdf = slot["area"], slot["kdf"]
            if kdf["type"] != "pbkdf2":
                continue
            derived = _pbkdf2(passphrase.encode(), kdf, area["key_size"])
            wide = slot["key_size"] * slot["af"]["stripes"]
            padded = -(-wide // _SECTOR) * _SECTOR
            stored = os.pread(file.fileno(), padded, start + int(area["offset"]))
            key = _merge(_decrypt(stored, derived, _SECTOR, 0)[:wide], slot["key_size"], slot["af"]["hash"])
            digest = next(each for each in about["digests"].values() if name in each["keyslots"])
            wanted = base64.b64decode(digest["digest"])
            if _pbkdf2(key, digest, len(wanted)) == wanted:
                segment = about["segments"]["0"]
                assert segment["encryption"] == "aes-xts-plain64", segment
                begin = start + int(segment["offset"])
                return Volume(disk, begin, start + size, key, segment["sector_size"])
    return None


def _pbkdf2(secret: bytes, how: dict[str, Any], length: int) -> bytes:
    salt = base64.b64decode(how["salt"])
    return hashlib.pbkdf2_hmac(how["hash"], secret, salt, how["iterations"], length)


def _decrypt(data: bytes, key: bytes, sector: int, first: int) -> bytes:
    """``data``, of which each ``sector`` is encrypted by itself, from that of number ``first`` on."""
    plain = bytearray()
    for at in range(0, len(data), sector):
        tweak = (first + at // _SECTOR).to_bytes(16, "little")
        cipher = Cipher(algorithms.AES(key), modes.XTS(tweak)).decryptor()
        plain += cipher.update(data[at : at + sector])
    return bytes(plain)


def _merge(split: bytes, size: int, name: str) -> bytes:
    """The key that was split into stripes, so that each of them is needed."""
    merged = bytes(size)
    stripes = [split[at : at + size] for at in range(0, len(split), size)]
    for stripe in stripes[:-1]:
        merged = _diffuse(_xor(merged, stripe), name)
    return _xor(merged, stripes[-1])


def _diffuse(block: bytes, name: str) -> bytes:
    size = hashlib.new(name).digest_size
    parts = [block[at : at + size] for at in range(0, len(block), size)]
    hashed = [
        hashlib.new(name, struct.pack(">I", number) + part).digest() for number, part in enumerate(parts)
    ]
    return b"".join(new[: len(part)] for new, part in zip(hashed, parts, strict=True))


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))
