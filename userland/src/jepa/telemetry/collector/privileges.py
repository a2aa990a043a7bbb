# SPDX-License-Identifier: Apache-2.0
"""Gives up every capability for good, once the programs that needed them are attached (capabilities(7))."""

import ctypes
import os

_VERSION_3 = 0x20080522
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_PR_CAPBSET_DROP = 24
_LARGEST_CAPABILITY = 63


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Data(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def drop_capabilities() -> None:
    """Leave this thread, and every process and thread it starts, without a capability. Raises OSError.

    To be called before other threads are started: the kernel keeps capabilities by thread. The bounding set
    can only be emptied by who holds CAP_SETPCAP; a service manager does it from outside.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in range(_LARGEST_CAPABILITY + 1):
        libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    _check(libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0))
    header = _Header(_VERSION_3, 0)
    nothing = (_Data * 2)()
    _check(libc.capset(ctypes.byref(header), ctypes.byref(nothing)))
    _check(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))


def _check(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
