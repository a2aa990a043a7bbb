# SPDX-License-Identifier: Apache-2.0
"""Run as a program: opens the source named, in a process that may have no socket of the internet.

The filter is what systemd makes of RestrictAddressFamilies=AF_UNIX (linux/seccomp.h).
"""

import ctypes
import errno
import platform
import struct
import sys

SOCKET = 41 if platform.machine() == "x86_64" else 198
"""The number of the call: x86-64's own, and that which all newer machines share (asm-generic/unistd.h)."""
AF_INET, AF_INET6 = 2, 10
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
NUMBER_AT, FIRST_ARGUMENT_AT = 0, 16
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | errno.EAFNOSUPPORT
NO_NEW_PRIVILEGES, SECCOMP, FILTER = 38, 22, 2
PROGRAM = (
    (LOAD, 0, 0, NUMBER_AT),
    (EQUAL, 0, 4, SOCKET),
    (LOAD, 0, 0, FIRST_ARGUMENT_AT),
    (EQUAL, 1, 0, AF_INET),
    (EQUAL, 0, 1, AF_INET6),
    (RETURN, 0, 0, REFUSE),
    (RETURN, 0, 0, ALLOW),
)


def close_the_network() -> None:
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *each) for each in PROGRAM))
    described = ctypes.create_string_buffer(struct.pack("HP", len(PROGRAM), ctypes.addressof(program)))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) or libc.prctl(SECCOMP, FILTER, described, 0, 0):
        raise OSError(ctypes.get_errno(), "no filter")


if __name__ == "__main__":
    from jepa.errors import JepaError
    from jepa.vision.source import open_source

    close_the_network()
    try:
        open_source(sys.argv[1])
    except JepaError as error:
        print(error)
