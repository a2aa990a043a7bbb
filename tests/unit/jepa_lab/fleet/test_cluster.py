# SPDX-License-Identifier: Apache-2.0
"""A worker gives what it loaded back to the kernel, task after task."""

import subprocess
import sys

BLOCKS = """
import ctypes
from jepa_lab.fleet.cluster import _give_memory_back

class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in
                ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks",
                 "fordblks", "keepcost")]

libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
libc.mallinfo2.restype = Info

def mapped(size):
    before = libc.mallinfo2().hblks
    block = libc.malloc(size)
    found = libc.mallinfo2().hblks > before
    libc.free(block)
    return found

if {give}:
    _give_memory_back()
assert mapped(16 << 20)
print(mapped(8 << 20))
"""


def test_a_large_block_is_mapped_by_itself_though_a_larger_one_was_freed() -> None:
    assert _said(give=True) == "True"
    assert _said(give=False) == "False", "glibc does so by itself by now: what asks it to can go"


def _said(give: bool) -> str:
    program = BLOCKS.replace("{give}", str(give))
    return subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout.strip()
