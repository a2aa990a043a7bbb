# SPDX-License-Identifier: Apache-2.0
"""A file system in user space with an empty root directory and 25 % of its space used, made to be stopped.

Usage: python fuse.py MOUNTPOINT: mounts itself and serves until it is killed; prints a line once mounted.
"""

import ctypes
import os
import struct
import sys

GETATTR, STATFS, INIT = 3, 17, 26
NO_ANSWER = {2, 36, 42}  # FORGET, INTERRUPT, BATCH_FORGET
ENOSYS = 38
REPLIES = {
    # A directory without times that root owns.
    GETATTR: struct.pack("=QII6Q10I", 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0o40755, 2, 0, 0, 0, 4096, 0),
    STATFS: struct.pack("=5Q4I6I", 100, 75, 75, 0, 0, 4096, 255, 4096, 0, *[0] * 6),
    INIT: struct.pack("=4I2H2I2HI7I", 7, 31, 0, 0, 1, 1, 4096, 1, 1, 0, 0, *[0] * 7),
}


def main(mountpoint: str) -> None:
    """Serve."""
    device = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0".encode()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"test", os.fsencode(mountpoint), b"fuse", 0, options):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    print("mounted", flush=True)
    while True:
        _, opcode, unique = struct.unpack_from("=IIQ", os.read(device, 1 << 17))
        if opcode not in NO_ANSWER:
            reply = REPLIES.get(opcode, b"")
            error = 0 if opcode in REPLIES else -ENOSYS
            os.write(device, struct.pack("=IiQ", 16 + len(reply), error, unique) + reply)


if __name__ == "__main__":
    main(sys.argv[1])
