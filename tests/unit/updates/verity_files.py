# SPDX-License-Identifier: Apache-2.0
"""Makes the hashes of blocks as veritysetup writes them."""

import hashlib
import struct

BLOCK = 4096
SALT = b"s" * 32


def hashes(content: bytes, salt: bytes = SALT) -> bytes:
    """A partition with the hashes of ``content``."""
    blocks = [content[at : at + BLOCK] for at in range(0, len(content), BLOCK)]
    levels: list[bytes] = []
    while True:
        digests = b"".join(hashlib.sha256(salt + block).digest() for block in blocks)
        level = digests.ljust(-(-len(digests) // BLOCK) * BLOCK, b"\0")
        levels.insert(0, level)
        if len(level) == BLOCK:
            break
        blocks = [level[at : at + BLOCK] for at in range(0, len(level), BLOCK)]
    head = struct.pack("<8sII16s32sIIQH6x", b"verity", 1, 1, b"u" * 16, b"sha256", BLOCK, BLOCK,
                       len(content) // BLOCK, len(salt))  # fmt: skip
    return (head + salt).ljust(BLOCK, b"\0") + b"".join(levels)
