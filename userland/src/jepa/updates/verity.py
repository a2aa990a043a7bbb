# SPDX-License-Identifier: Apache-2.0
"""The hashes by which dm-verity knows each block of /usr: what a version holds, without reading it."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final

BLOCK: Final = 4096
_HEAD: Final = struct.Struct("<8sII16s32sIIQH6x256s")
_MAGIC: Final = b"verity\0\0"
_VERSION, _KIND, _ALGORITHM = 1, 1, b"sha256"
_LENGTH: Final = 32
"""Of a hash, in bytes."""
_IN_A_BLOCK: Final = BLOCK // _LENGTH
_MOST: Final = 1 << 22
"""Blocks of the largest /usr that is looked at, 16 GiB."""


@dataclass(frozen=True, slots=True)
class Hashes:
    """SHA-256 of the salt and a block, for each block."""

    salt: bytes
    digests: Sequence[bytes]


def read_hashes(file: BinaryIO) -> Hashes:
    """The hashes in `file`, a partition as veritysetup makes it; ValueError when it is not as ours are."""
    head = file.read(_HEAD.size)
    if len(head) < _HEAD.size:
        raise ValueError("no hashes of dm-verity: too short")
    magic, version, kind, _, algorithm, data, hashes, count, length, salt = _HEAD.unpack(head)
    found = (magic, version, kind, algorithm.rstrip(b"\0"), data, hashes)
    if found != (_MAGIC, _VERSION, _KIND, _ALGORITHM, BLOCK, BLOCK) or not 0 < count <= _MOST:
        raise ValueError(f"no hashes of dm-verity as this system has them: {found}, {count} blocks")
    levels = [-(-count // _IN_A_BLOCK)]
    while levels[-1] > 1:
        levels.append(-(-levels[-1] // _IN_A_BLOCK))
    # the hashes of hashes come first, those of the blocks themselves last
    file.seek((1 + sum(levels[1:])) * BLOCK)
    content = file.read(count * _LENGTH)
    if len(content) < count * _LENGTH:
        raise ValueError("hashes of dm-verity that are cut short")
    digests = [content[at : at + _LENGTH] for at in range(0, len(content), _LENGTH)]
    return Hashes(salt[:length], digests)
