# SPDX-License-Identifier: Apache-2.0
"""A file system in user space with 25 % of its space used and one file, made to be stopped.

Usage: python fuse.py MOUNTPOINT [CONTENT]: mounts itself and serves until it is killed; prints a line once
mounted. Every name in its root directory is that of a file with the line CONTENT, read anew each time.
"""

import ctypes
import os
import struct
import sys

NO_ANSWER = {2, 36, 42}  # FORGET, INTERRUPT, BATCH_FORGET
ENOSYS = 38
ROOT, FILE = 1, 2
MODES = {ROOT: 0o40755, FILE: 0o100444}
NOT_KEPT = 1  # FOPEN_DIRECT_IO
STATISTICS = struct.pack("=5Q4I6I", 100, 75, 75, 0, 0, 4096, 255, 4096, 0, *[0] * 6)
TERMS = struct.pack("=4I2H2I2HI7I", 7, 31, 0, 0, 1, 1, 4096, 1, 1, 0, 0, *[0] * 7)


def attributes(node: int) -> bytes:
    """Without times, of root."""
    return struct.pack("=6Q10I", node, 4096, 0, 0, 0, 0, 0, 0, 0, MODES[node], 2, 0, 0, 0, 4096, 0)


def replied(opcode: int, node: int, request: bytes, content: bytes) -> bytes | None:
    """The answer; None to what is not understood."""
    match opcode:
        case 1:  # LOOKUP
            return struct.pack("=4Q2I", FILE, 0, 0, 0, 0, 0) + attributes(FILE)
        case 3:  # GETATTR
            return struct.pack("=QII", 0, 0, 0) + attributes(node)
        case 14:  # OPEN
            return struct.pack("=QII", 0, NOT_KEPT, 0)
        case 15:  # READ
            offset, size = struct.unpack_from("=8xQI", request)
            return content[offset : offset + size]
        case 17:  # STATFS
            return STATISTICS
        case 26:  # INIT
            return TERMS
    return None


def main(mountpoint: str, content: str = "") -> None:
    """Serve."""
    device = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0".encode()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"test", os.fsencode(mountpoint), b"fuse", 0, options):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    print("mounted", flush=True)
    while True:
        request = os.read(device, 1 << 17)
        _, opcode, unique, node = struct.unpack_from("=IIQQ", request)
        if opcode not in NO_ANSWER:
            reply = replied(opcode, node, request[40:], content.encode() + b"\n")
            error = -ENOSYS if reply is None else 0
            os.write(device, struct.pack("=IiQ", 16 + len(reply or b""), error, unique) + (reply or b""))


if __name__ == "__main__":
    main(*sys.argv[1:])
